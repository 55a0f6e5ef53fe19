"""How cost grows: latency and memory against pixels and channels, with the fitted exponents."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import msgspec

from dybench.errors import ReportError, UsageError
from dybench.views.figure.caption import (
    Drawing,
    list_reports,
    lower_bounds,
    memory_kinds,
    not_measured,
    sentences_of,
)
from dybench.views.figure.lines import Panel, Series, draw_lines, sources_of
from dybench.views.figure.metrics import metric_named
from dybench.views.figure.select import CellFilter, Row, as_reports, distinct_titles, identity
from dybench.views.figure.style import Style, style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.case import Cell
    from dybench.result import Report
    from dybench.views.figure.metrics import Metric

    Line = tuple[int, str, str]  # the report's number, the upsampler's title, the device

AXES = ("pixels", "channels")


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
    wanted = cell or CellFilter()
    several = as_reports(reports, wanted)
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
    notes = _absent(panels, metrics, (x,) if x else AXES) + _left_out(several, panels)
    notes += [*lower_bounds(_drawn(panels), metrics), *not_measured(rows)]
    return Drawing(draw_lines(panels, _caption(several, panels, notes)), tuple(notes))


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
    slices: dict[Cell, dict[Line, dict[int, Row]]] = {}
    for row in rows:
        case, value = row.measurement.case, metric.value(row.measurement)
        if row.measurement.status != "ok" or value is None or value <= 0:
            continue
        lines = slices.setdefault(_held(case.cell, axis), {})
        line = lines.setdefault((row.report, row.title, case.device), {})
        line.setdefault(_position(case.cell, axis), row)
    sizes = {held: _long_lines(lines) for held, lines in slices.items()}
    if not any(sizes.values()):
        return None
    held = max(sizes, key=lambda h: (sum(map(len, sizes[h].values())), h.channels, h.pixels))
    others = list(dict.fromkeys(row.measurement.case.upsampler for row in rows))
    names = {row.title: row.measurement.case.upsampler for row in rows}
    series = [
        _series(metric, style_of(names[title], others), points)
        for (_, title, _), points in sizes[held].items()
    ]
    series.sort(key=lambda s: -s.y[-1])
    size = f"{held.channels} channels" if axis == "pixels" else f"{held.height}×{held.width}"
    rest = f"×{held.scale}, batch {held.batch}, {held.dtype}, {held.layout}, {held.mode}"
    fixed = f"{size}, {rest}" + ("" if held.runtime == "eager" else f", {held.runtime}")
    return Panel(axis, metric, fixed, tuple(series))


def _long_lines(lines: dict[Line, dict[int, Row]]) -> dict[Line, dict[int, Row]]:
    return {name: points for name, points in lines.items() if len(points) > 1}


def _series(metric: Metric, style: Style, points: dict[int, Row]) -> Series:
    x, rows = zip(*sorted(points.items()), strict=True)
    y = tuple(v for row in rows if (v := metric.value(row.measurement)) is not None)
    return Series(rows, style, x, y, fit_exponent(x, y))


def fit_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Return p of the least-squares line through (log x, log y): `y ∝ x**p`."""
    logs = [math.log(v) for v in x], [math.log(v) for v in y]
    return statistics.linear_regression(*logs).slope


def _absent(panels: Sequence[Panel], metrics: Sequence[Metric], axes: Sequence[str]) -> list[str]:
    drawn = {(panel.metric.name, panel.axis) for panel in panels}
    missing = [f"{m.label} against {a}" for m in metrics for a in axes if (m.name, a) not in drawn]
    return [f"fewer than two points of {', '.join(missing)}"] if missing else []


def _drawn(panels: Sequence[Panel]) -> list[Row]:
    return [row for panel in panels for series in panel.series for row in series.rows]


def _left_out(reports: Sequence[Report], panels: Sequence[Panel]) -> list[str]:
    drawn = {report for report, _ in sources_of(panels)}
    return [
        f"report {number + 1} left out: nothing of it is alike to what is drawn"
        for number in range(len(reports))
        if number not in drawn
    ]


def _caption(reports: Sequence[Report], panels: Sequence[Panel], notes: Sequence[str]) -> str:
    held = dict.fromkeys(f"Against {panel.axis}: {panel.fixed}" for panel in panels)
    devices: dict[int, list[str]] = {}
    for report, device in sources_of(panels):
        devices.setdefault(report, []).append(device)
    memory = memory_kinds(_drawn([p for p in panels if p.metric.name == "memory"]))
    text = f"Measured: {list_reports(reports, devices)} {'. '.join(held)}. {memory} "
    text += "Both axes logarithmic; p is the least-squares slope. "
    return text + " ".join(sentences_of(notes))
