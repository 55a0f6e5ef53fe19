"""The column beside the bubbles: what their areas, fills and the grey points mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.patches import Circle

from dybench.views.figure.caption import letter
from dybench.views.figure.frame import hide
from dybench.views.figure.style import PAPER_COLOUR, REPORT_LINES, SMALL_PT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from dybench.views.figure.metrics import Metric

_LINE_PT = 13.0


def draw_key(
    key: Axes,
    size: Metric,
    bubbles: Sequence[tuple[float | None, float]],
    reports: Sequence[int],
    paper: bool,
) -> None:
    """Fill the key's axes: `bubbles` are (value, radius in points) as drawn."""
    hide(key)
    top = key.get_ylim()[1] - 4
    if len(reports) > 1:
        for number in reports:
            _swatch(key, top - 5, "#BBBBBB" if number == 0 else "none", REPORT_LINES[number])
            key.text(18, top - 5, f"report [{letter(number)}]", va="center", fontsize=SMALL_PT)
            top -= _LINE_PT
    if paper:
        key.scatter(
            8, top - 5, s=20, marker="o", facecolor="white", edgecolor=PAPER_COLOUR, linewidth=0.8
        )
        key.text(18, top - 5, "the paper's points,", va="center", fontsize=SMALL_PT)
        key.text(18, top - 14, "on another GPU", va="center", fontsize=SMALL_PT)
    _bubble_scale(key, size, bubbles)


def _swatch(key: Axes, y: float, fill: str, line: str) -> None:
    key.add_patch(Circle((8, y), 4.5, facecolor=fill, edgecolor="#444444", linestyle=line, lw=0.8))


def _bubble_scale(key: Axes, size: Metric, bubbles: Sequence[tuple[float | None, float]]) -> None:
    """Three nested circles of round values, a tenth of one another in area."""
    known = [(value, radius) for value, radius in bubbles if value and radius]
    if not known:
        return
    largest, radius = max(known)
    values = [round_below(largest) / 10**step for step in range(3)]
    radii = [radius * math.sqrt(value / largest) for value in values]
    for value, r in zip(values, radii, strict=True):
        if r < 1.2:
            continue
        key.add_patch(
            Circle(
                (radius + 2, r + 16), r, facecolor=("#999999", 0.18), edgecolor="#555555", lw=0.6
            )
        )
        height = 16 + 2 * r
        key.plot([radius + 2, 2 * radius + 8], [height, height], color="#555555", linewidth=0.5)
        key.text(2 * radius + 10, height, _format_key(value), va="center", fontsize=SMALL_PT)
    unit = "GFLOPs" if size.name == "flops" else size.axis_label
    key.text(0, 4, f"area: {unit}", va="center", fontsize=SMALL_PT)


def _format_key(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e4 else f"{value:.0e}"


def round_below(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is no more than `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * (1 + 1e-9))
