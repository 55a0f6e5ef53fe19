"""How cost grows: latency and memory against pixels and channels, with the fitted exponents."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from matplotlib import rc_context
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from dybench.errors import ReportError, UsageError
from dybench.views.figure.caption import (
    Drawing,
    describe_report,
    memory_kinds,
    not_measured,
    sentences_of,
)
from dybench.views.figure.frame import Page, fit_axis, grid
from dybench.views.figure.metrics import Metric, metric_named
from dybench.views.figure.select import CellFilter, Row, as_reports, distinct_titles, identity
from dybench.views.figure.style import RC, SMALL_PT, Style, style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dybench.case import Cell
    from dybench.result import Report

AXES = ("pixels", "channels")
PANEL_HEIGHT, COLUMN, PLOT_LEFT, LEGEND_WIDTH = 176.0, 248.0, 40.0, 84.0
ROW_GAP, LEGEND_LINE_PT = 30.0, 9.3
LINE_STYLES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


@dataclass(frozen=True)
class Series:
    """One upsampler's line in one panel: points in increasing x, and log-log slope."""

    title: str
    style: Style
    report: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    exponent: float


@dataclass(frozen=True)
class Panel:
    """One metric against one axis, everything else (`fixed`) held."""

    axis: str
    metric: Metric
    fixed: str
    series: tuple[Series, ...]


def draw_scaling(
    reports: Report | Sequence[Report],
    x: str | None = None,
    y: str | None = None,
    cell: CellFilter | None = None,
) -> Drawing:
    """Latency and memory (or metric `y`) against pixels and channels (or axis `x`), log-log.

    Raises:
        UsageError: if the axis or metric is unknown.
        ReportError: if the reports hold no two points along any axis.
    """
    if x is not None and x not in AXES:
        raise UsageError(f"`--x` (={x!r}) must be pixels or channels with `--kind scaling`")
    several, wanted = as_reports(reports), cell or CellFilter()
    metrics = [metric_named(name, "--y") for name in ((y,) if y else ("latency", "memory"))]
    rows = _rows(several, wanted)
    panels = [
        panel
        for metric in metrics
        for axis in ((x,) if x else AXES)
        if (panel := make_panel(rows, axis, metric)) is not None
    ]
    if not panels:
        raise ReportError(
            "the report has no upsampler at two sizes or two channel counts, all else alike: "
            "run with `--size 60x60,120x120` or `--channels 64,128,256`"
        )
    notes = [*_absent(panels, metrics, (x,) if x else AXES), *not_measured(rows)]
    return Drawing(_draw(panels, _caption(several, rows, panels, notes)), tuple(notes))


def _rows(reports: Sequence[Report], wanted: CellFilter) -> list[Row]:
    found = [
        (number, row)
        for number, report in enumerate(reports)
        for row in report.measurements
        if wanted(row.case.cell)
    ]
    titles = distinct_titles(row.case for _, row in found)
    return [Row(number, titles[identity(row.case)], row) for number, row in found]


def _position(cell: Cell, axis: str) -> int:
    return cell.pixels if axis == "pixels" else cell.channels


def _held(cell: Cell, axis: str) -> Cell:
    """The cell with what `axis` varies taken out, and the device, so that reports compare."""
    if axis == "pixels":
        return msgspec.structs.replace(cell, height=0, width=0, device="")
    return msgspec.structs.replace(cell, channels=0, device="")


def make_panel(rows: Sequence[Row], axis: str, metric: Metric) -> Panel | None:
    """The slice of the grid with the most points along `axis`; None if none has two."""
    slices: dict[Cell, dict[tuple[int, str], dict[int, float]]] = {}
    for row in rows:
        case, value = row.measurement.case, metric.value(row.measurement)
        if row.measurement.status != "ok" or value is None or value <= 0:
            continue
        lines = slices.setdefault(_held(case.cell, axis), {})
        line = lines.setdefault((row.report, row.title), {})
        line.setdefault(_position(case.cell, axis), value)
    sizes = {held: _long_lines(lines) for held, lines in slices.items()}
    if not any(sizes.values()):
        return None
    held = max(sizes, key=lambda h: (sum(map(len, sizes[h].values())), h.channels, h.pixels))
    others = list(dict.fromkeys(row.measurement.case.upsampler for row in rows))
    names = {row.title: row.measurement.case.upsampler for row in rows}
    series = [
        _series(title, style_of(names[title], others), report, points)
        for (report, title), points in sizes[held].items()
    ]
    series.sort(key=lambda s: -s.y[-1])
    size = f"{held.channels} channels" if axis == "pixels" else f"{held.height}×{held.width}"
    rest = f"×{held.scale}, batch {held.batch}, {held.dtype}, {held.layout}, {held.mode}"
    fixed = f"{size}, {rest}" + ("" if held.runtime == "eager" else f", {held.runtime}")
    return Panel(axis, metric, fixed, tuple(series))


def _long_lines(
    lines: dict[tuple[int, str], dict[int, float]],
) -> dict[tuple[int, str], dict[int, float]]:
    return {name: points for name, points in lines.items() if len(points) > 1}


def _series(title: str, style: Style, report: int, points: dict[int, float]) -> Series:
    x, y = zip(*sorted(points.items()), strict=True)
    return Series(title, style, report, x, y, fit_exponent(x, y))


def fit_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Return p of the least-squares line through (log x, log y): `y ∝ x**p`."""
    logs = [math.log(v) for v in x], [math.log(v) for v in y]
    return statistics.linear_regression(*logs).slope


def _absent(panels: Sequence[Panel], metrics: Sequence[Metric], axes: Sequence[str]) -> list[str]:
    drawn = {(panel.metric.name, panel.axis) for panel in panels}
    missing = [f"{m.label} against {a}" for m in metrics for a in axes if (m.name, a) not in drawn]
    return [f"fewer than two points of {', '.join(missing)}"] if missing else []


def _caption(
    reports: Sequence[Report], rows: Sequence[Row], panels: Sequence[Panel], notes: Sequence[str]
) -> str:
    held = dict.fromkeys(f"Against {panel.axis}: {panel.fixed}" for panel in panels)
    devices: dict[int, list[str]] = {}
    for row in rows:
        devices.setdefault(row.report, []).append(row.measurement.case.device)
    where = [
        (f"[{chr(65 + n)}] " if len(reports) > 1 else "") + describe_report(reports[n], names[0])
        for n, names in devices.items()
    ]
    memory = memory_kinds(rows) if any(p.metric.name == "memory" for p in panels) else ""
    text = f"Measured: {'; '.join(where)}. {'. '.join(held)}. {memory} "
    text += "Both axes logarithmic; p is the least-squares slope. "
    return text + " ".join(sentences_of(notes))


def _draw(panels: Sequence[Panel], caption: str) -> Figure:
    rows = list(dict.fromkeys(panel.metric.name for panel in panels))
    columns = list(dict.fromkeys(panel.axis for panel in panels))
    most = max(len(panel.series) for panel in panels)
    height = max(PANEL_HEIGHT, LEGEND_LINE_PT * (most + 1.5))
    page = Page((height + ROW_GAP) * len(rows) + 8, caption)
    width = COLUMN if len(columns) == 2 else 2 * COLUMN
    with rc_context(RC):
        for panel in panels:
            left = PLOT_LEFT + columns.index(panel.axis) * COLUMN
            down = len(rows) - 1 - rows.index(panel.metric.name)
            plot_width = width - PLOT_LEFT - LEGEND_WIDTH
            plot = page.axes(left, ROW_GAP + down * (height + ROW_GAP), plot_width, height)
            _draw_panel(plot, panel, plot_width, height)
    return page.figure


def _draw_panel(plot: Axes, panel: Panel, width: float, height: float) -> None:
    x = [v for series in panel.series for v in series.x]
    y = [v for series in panel.series for v in series.y]
    fit_axis(plot.xaxis, x, [6.0] * len(x), [6.0] * len(x), width, "log")
    fit_axis(plot.yaxis, y, [6.0] * len(y), [6.0] * len(y), height, "log")
    several = len({series.report for series in panel.series}) > 1
    handles = []
    for series in panel.series:
        line = LINE_STYLES[series.report] if several else series.style.line
        title = series.title + (f" [{chr(65 + series.report)}]" if several else "")
        look: dict[str, Any] = {
            "color": series.style.colour, "linestyle": line, "linewidth": 1.0,
            "marker": series.style.marker, "markersize": 3.8, "markeredgecolor": "#222222",
            "markeredgewidth": 0.4,
        }  # fmt: skip
        plot.plot(series.x, series.y, **look)
        handles.append(Line2D([], [], label=f"{series.exponent:.2f}  {title}", **look))
    plot.legend(
        handles=handles, title=f"∝ {panel.axis}ᵖ with p =", loc="upper left",
        bbox_to_anchor=(1.01, 1.02), borderaxespad=0, frameon=False, fontsize=SMALL_PT - 0.8,
        title_fontsize=SMALL_PT - 0.3, handlelength=2.2, labelspacing=0.3, alignment="left",
        handletextpad=0.5, borderpad=0.1,
    )  # fmt: skip
    grid(plot)
    _tick_measured(plot, x)
    plot.set_ylabel(panel.metric.axis_label)
    plot.set_xlabel("low-resolution pixels" if panel.axis == "pixels" else "channels")


def _tick_measured(plot: Axes, x: Sequence[float]) -> None:
    """Put the ticks at what was measured, where those are few and apart."""
    places = sorted(set(x))
    ratios = [later / earlier for earlier, later in pairwise(places)]
    if len(places) <= 4 and min(ratios) >= (places[-1] / places[0]) ** 0.28:
        plot.xaxis.set_major_locator(FixedLocator(places))
