"""A page with its caption, axes of fixed size on it, and limits that cut nothing off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dybench.views.figure.style import DPI, RC, SMALL_PT, text_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

PAGE_PT = 504.0  # 7 inches: a two-column page's text width
MARGIN_PT = 6.0
CAPTION_LEADING_PT = 9.5
Scale = str  # linear | log | symlog


def wrap(text: str, width_pt: float, size_pt: float = SMALL_PT) -> list[str]:
    """The text in lines no wider than `width_pt`; a word that is wider itself is broken."""

    def width(line: str) -> float:
        return text_size(line, size_pt)[0]

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer) <= width_pt:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and width(lines[-1] + letter) > width_pt:
                lines.append("")
            lines[-1] += letter
    return lines


class Page:
    """A figure of the text's width, `content_pt` high above its caption.

    Lengths are points; content is placed from the content's lower left corner.
    """

    def __init__(self, content_pt: float, caption: str, width_pt: float = PAGE_PT) -> None:
        lines = wrap(caption, width_pt - 2 * MARGIN_PT)
        self._bottom = 2 * MARGIN_PT + CAPTION_LEADING_PT * len(lines)
        self._size = (width_pt, content_pt + self._bottom)
        with rc_context(RC):
            self.figure = Figure(figsize=(width_pt / 72, self._size[1] / 72), dpi=DPI)
            for number, line in enumerate(lines):
                top = self._bottom - MARGIN_PT - CAPTION_LEADING_PT * number
                self.figure.text(
                    MARGIN_PT / self._size[0],
                    top / self._size[1],
                    line,
                    va="top",
                    fontsize=SMALL_PT,
                    color="#333333",
                    label="caption",
                )

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """New axes with their frame exactly there."""
        across, up = self._size
        box = (x / across, (y + self._bottom) / up, width / across, height / up)
        with rc_context(RC):
            return self.figure.add_axes(box)


def limits_in(
    values: Sequence[float],
    before: Sequence[float],
    after: Sequence[float],
    length: float,
    least_span: float = 0.0,
) -> tuple[float, float]:
    """Limits of a linear axis `length` points long that keep every mark inside.

    Mark i is at `values[i]` and reaches `before[i]` points below it and `after[i]` above.
    The limits are at least `least_span` times the middle value apart.

    Raises:
        ValueError: if a mark is larger than the axis.
    """
    u, low, high = (np.asarray(a, dtype=np.float64) for a in (values, before, after))
    spread = float(u.max() - u.min())
    centre = float(u.max() + u.min()) / 2
    half = 0.5 * least_span * abs(centre)
    if spread <= 1e-6 * abs(centre):  # one point, or as good as one
        half = half or 0.5 * abs(centre) or 1.0
        return centre - half, centre + half
    u = u - u.min()

    def needed(points_per_unit: float) -> float:
        at = u * points_per_unit
        return float((at + high).max() - (at - low).min())

    small, large = 0.0, length / spread
    for _ in range(80):
        middle = (small + large) / 2
        small, large = (middle, large) if needed(middle) <= length else (small, middle)
    if small <= 0:
        raise ValueError(f"`length` (={length:g}) must hold the largest mark")
    start = float((u - low / small).min()) + min(values)
    end = start + length / small
    if end - start < 2 * half:
        return (start + end) / 2 - half, (start + end) / 2 + half
    return start, end


def fit_axis(
    axis: Axis,
    values: Sequence[float],
    before: Sequence[float],
    after: Sequence[float],
    length: float,
    scale: Scale,
    least_span: float = 0.0,
) -> None:
    """Set the axis' scale, its limits (`limits_in`, in the scale's own units) and its ticks."""
    axes = axis.axes
    is_x = axis is axes.xaxis
    set_scale = axes.set_xscale if is_x else axes.set_yscale
    positive = [v for v in values if v > 0]
    if scale == "symlog":
        set_scale("symlog", linthresh=min(positive), linscale=0.5)
    else:
        set_scale(scale)
    transform = axis.get_transform()
    mapped = transform.transform(np.asarray(values, dtype=np.float64))
    least = least_span if scale == "linear" else 0.0
    start, end = limits_in([float(v) for v in mapped], before, after, length, least)
    low, high = (float(v) for v in transform.inverted().transform(np.asarray([start, end])))
    (axes.set_xlim if is_x else axes.set_ylim)(low, high)
    axis.set_minor_locator(NullLocator())
    ticks = _ticks(low, high, scale, length, min(values), positive)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_tick(value)))


def thin_ticks(axis: Axis, length: float, beyond: float, apart: float) -> None:
    """Keep the ticks of an x axis whose labels reach no more than `beyond` points past its ends.

    And are `apart` points from one another. A log axis left with one tick gets other decades.
    """
    mapped = axis.get_transform().transform
    low, high = axis.axes.get_xlim()
    start, end = (float(v) for v in mapped(np.asarray([low, high])))

    def fitting(ticks: Iterable[float]) -> list[float]:
        kept, free = [], -beyond
        for tick in ticks:
            centre = (float(mapped(np.asarray([tick]))[0]) - start) / (end - start) * length
            half = text_size(format_tick(tick), SMALL_PT)[0] / 2
            if centre - half >= free and centre + half <= length + beyond:
                kept.append(float(tick))
                free = centre + half + apart
        return kept

    found = fitting(axis.get_majorticklocs())
    if len(found) < 2 and axis.get_scale() == "log":
        found = fitting(10.0**power for power in range(math.ceil(start), math.floor(end) + 1))
    axis.set_major_locator(FixedLocator(found))


def format_tick(value: float) -> str:
    """A round number as written on an axis."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.6g}"


def _ticks(
    low: float, high: float, scale: Scale, length: float, least: float, positive: Sequence[float]
) -> list[float]:
    """Round numbers about 40 points apart, none of them negative where no value is."""
    if scale == "linear":
        found: Sequence[float] = MaxNLocator(
            max(3, int(length / 32)), steps=[1, 2, 5, 10]
        ).tick_values(low, high)
    else:
        first = max(low, min(positive) / 10) if scale == "log" else min(positive)
        decades = np.log10(high / first) if high > first else 1.0
        per_decade = length / max(decades, 0.2) / 38
        subs = (1.0, 2.0, 5.0) if per_decade >= 3 else (1.0, 3.0) if per_decade >= 2 else (1.0,)
        locator = LogLocator(subs=subs, numticks=max(3, int(length / 38)))
        found = locator.tick_values(first, high)
        if scale == "symlog":
            found = [0.0, *found]
    return [float(t) for t in found if low <= t <= high and (t >= 0 or least < 0)]


def scale_for(values: Sequence[float], log: bool) -> Scale:
    """A logarithmic axis if asked for, with room for zero if there is one among the values."""
    if not log or not any(v > 0 for v in values):
        return "linear"
    return "log" if min(values) > 0 else "symlog"


def grid(axes: Axes, which: str = "both") -> None:
    """Faint lines behind the data."""
    axes.grid(True, axis=which, color="#EBEBEB", linewidth=0.5)  # type: ignore[arg-type]
    axes.tick_params(length=2.5, colors="#333333")


def hide(axes: Axes) -> None:
    """Leave only what is drawn in the axes, in points from its lower left corner."""
    axes.axis("off")
    box = axes.get_position()
    width, height = axes.figure.get_size_inches() * 72  # type: ignore[union-attr]
    axes.set_xlim(0, box.width * width)
    axes.set_ylim(0, box.height * height)
