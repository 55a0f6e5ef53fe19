"""Parameters, FLOPs, memory and latency side by side, one row an upsampler, values printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.patches import Rectangle

from dybench.views.cells import PARTIAL_MARK
from dybench.views.figure.caption import (
    Drawing,
    letter,
    lower_bounds,
    measured_on,
    memory_kinds,
    not_measured,
    sentences_of,
    without_metric,
)
from dybench.views.figure.frame import PAGE_PT, Page, fit_axis, grid, hide, thin_ticks
from dybench.views.figure.metrics import (
    METRICS,
    format_value,
    is_lower_bound,
    metric_named,
    needs_log,
)
from dybench.views.figure.select import CellFilter, as_reports, choose_cells, rows_of
from dybench.views.figure.style import FONT_PT, RC, SMALL_PT, style_of, text_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dybench.result import Measurement, Report
    from dybench.views.figure.metrics import Metric
    from dybench.views.figure.select import Identity, Row

BAR_PT, ROW_SPACE_PT, GAP_PT = 8.0, 5.0, 9.0
BOTTOM_PT = 29.0
TICK_SPACE_PT = 4.0  # between the labels of two ticks, in one panel or in two
HATCHES = ("", "/////", "xxxxx", ".....")  # one a report
VALUE_PT = SMALL_PT - 0.5


def draw_bars(
    reports: Report | Sequence[Report], metric: str | None = None, cell: CellFilter | None = None
) -> Drawing:
    """Horizontal bars of all four metrics, or of `metric` alone, fastest upsampler first.

    Raises:
        UsageError: if the metric is unknown or `cell` matches nothing.
        ReportError: if no row of the report has any of the metrics.
    """
    wanted = cell or CellFilter()
    several = as_reports(reports, wanted)
    metrics = [metric_named(metric, "--x")] if metric else list(METRICS.values())

    def usable(row: Measurement) -> bool:
        return row.status == "ok" and any(m.value(row) is not None for m in metrics)

    what = metrics[0].label if metric else "any metric"
    cells, notes = choose_cells(several, wanted, usable, what)
    rows = rows_of(several, cells)
    shown = [row for row in rows if usable(row.measurement)]
    for each in metrics:
        absent = list(dict.fromkeys(without_metric(shown, each)))
        if absent:
            notes.append(f"{each.label} unknown (–): {', '.join(absent)}")
    notes += [*lower_bounds(shown, metrics), *not_measured(rows)]
    sentences = [measured_on(several, cells)]
    if "memory" in [m.name for m in metrics]:
        sentences.append(memory_kinds(shown))
    if any(m.name == "latency" for m in metrics):
        sentences.append("Whiskers: 95 % interval of the median latency.")
    sentences += sentences_of(notes)
    caption = " ".join(sentence for sentence in sentences if sentence)
    return Drawing(_draw(_grouped(shown), metrics, caption), tuple(notes))


def _grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of one upsampler together, the fastest first; those without latency come last."""
    groups: dict[Identity, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.identity, []).append(row)

    def speed(group: list[Row]) -> float:
        latency = METRICS["latency"].value(group[0].measurement)
        return float("inf") if latency is None else latency

    return sorted(groups.values(), key=speed)


def _draw(groups: Sequence[list[Row]], metrics: Sequence[Metric], caption: str) -> Figure:
    reports = sorted({row.report for group in groups for row in group})
    thick = BAR_PT if len(reports) < 3 else 6.0
    row_pt = thick * len(reports) + ROW_SPACE_PT
    height = row_pt * len(groups) + ROW_SPACE_PT
    page = Page(height + BOTTOM_PT + (20 if len(reports) > 1 else 8), caption)
    names = max(text_size(group[0].title, FONT_PT)[0] for group in groups) + 12
    width = (PAGE_PT - names - 8 - GAP_PT * (len(metrics) - 1)) / len(metrics)
    with rc_context(RC):
        if len(reports) > 1:
            _draw_report_key(page.axes(names, BOTTOM_PT + height, PAGE_PT - names, 18), reports)
        for number, metric in enumerate(metrics):
            plot = page.axes(names + number * (width + GAP_PT), BOTTOM_PT, width, height)
            _draw_metric(plot, groups, metric, width, reports, thick / row_pt)
            centres = range(len(groups))
            plot.set_yticks(centres, [g[0].title for g in groups] if number == 0 else [])
            plot.tick_params(axis="y", length=0, labelsize=FONT_PT)
            plot.set_ylim(
                len(groups) - 0.5 + ROW_SPACE_PT / 2 / row_pt, -0.5 - ROW_SPACE_PT / 2 / row_pt
            )
    return page.figure


def _draw_report_key(key: Axes, reports: Sequence[int]) -> None:
    hide(key)
    for place, report in enumerate(reports):
        x = 70.0 * place
        key.add_patch(
            Rectangle((x, 6), 18, 8, facecolor="#CCCCCC", edgecolor="#333333", linewidth=0.4,
                      hatch=HATCHES[report])
        )  # fmt: skip
        key.text(x + 22, 10, f"report [{letter(report)}]", va="center", fontsize=SMALL_PT)


def _draw_metric(
    plot: Axes,
    groups: Sequence[list[Row]],
    metric: Metric,
    width: float,
    reports: Sequence[int],
    thick: float,
) -> None:
    rows = [(place, row) for place, group in enumerate(groups) for row in group]
    values = [metric.value(row.measurement) for _, row in rows]
    known = [value for value in values if value is not None]
    log = needs_log(known)
    base = _fit(plot, known, rows, metric, width, log)
    others = list(dict.fromkeys(row.measurement.case.upsampler for _, row in rows))
    for (place, row), value in zip(rows, values, strict=True):
        y = place + (reports.index(row.report) - (len(reports) - 1) / 2) * thick
        style = style_of(row.measurement.case.upsampler, others)
        end = value or 0.0
        if end > base:
            plot.barh(
                y, end - base, left=base, height=thick * 0.96, facecolor=(style.colour, 0.75),
                edgecolor="#333333", linewidth=0.4, hatch=HATCHES[row.report], label="bar",
            )  # fmt: skip
        interval = metric.interval(row.measurement)
        if interval is not None and value is not None:
            plot.plot(interval, [y, y], color="#111111", linewidth=0.9, solid_capstyle="butt")
            end = max(end, interval[1])
        plot.annotate(
            _printed(metric, row), (max(end, base), y), (2.5, 0),
            textcoords="offset points", va="center_baseline", fontsize=VALUE_PT, label="value",
        )  # fmt: skip
    grid(plot, "x")
    plot.set_xlabel(metric.axis_label + (", log" if log else ""))


def _fit(
    plot: Axes,
    known: Sequence[float],
    rows: Sequence[tuple[int, Row]],
    metric: Metric,
    width: float,
    log: bool,
) -> float:
    """Limits that hold every bar and its printed value; where bars start, in data units."""
    positive = [value for value in known if value > 0]
    base = min(positive) / 2 if log else 0.0
    ends, rooms = [base], [0.0]
    for _, row in rows:
        value = metric.value(row.measurement)
        interval = metric.interval(row.measurement)
        end = max(value or 0.0, base, interval[1] if interval else 0.0)
        ends.append(end)
        rooms.append(text_size(_printed(metric, row), VALUE_PT)[0] + 5)
    if max(ends) <= base:
        ends.append(base + 1.0)
        rooms.append(0.0)
    fit_axis(plot.xaxis, ends, [0.0] * len(ends), rooms, width, "log" if log else "linear")
    thin_ticks(plot.xaxis, width, (GAP_PT - TICK_SPACE_PT) / 2, TICK_SPACE_PT)
    return base


def _printed(metric: Metric, row: Row) -> str:
    value = metric.value(row.measurement)
    mark = PARTIAL_MARK if is_lower_bound(metric, row.measurement) else ""
    return "–" if value is None else format_value(value) + mark
