"""Figure 1 of the DySample paper, redrawn from a report: cost against accuracy, area by FLOPs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from dybench.published import load_published
from dybench.views.cells import PARTIAL_MARK
from dybench.views.figure.bubbles import (
    PLOT_HEIGHT,
    PLOT_WIDTH,
    Axes3,
    Mark,
    PaperMark,
    draw_bubbles,
)
from dybench.views.figure.caption import (
    Drawing,
    lower_bounds,
    measured_on,
    memory_kinds,
    not_measured,
    sentences_of,
    without_metric,
)
from dybench.views.figure.metrics import METRICS, MIOU, is_lower_bound, metric_named
from dybench.views.figure.select import (
    CellFilter,
    as_reports,
    choose_cells,
    is_papers,
    rows_of,
)
from dybench.views.figure.style import style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.result import Measurement, Report
    from dybench.views.figure.select import Row

LARGEST_RADIUS_PT = 36.0
CROWDED = 0.18  # most of the frame that all bubbles together may cover


def draw_complexity(
    reports: Report | Sequence[Report],
    x: str = "latency",
    y: str | None = None,
    size: str = "flops",
    cell: CellFilter | None = None,
) -> Drawing:
    """One bubble an upsampler: `x` against `y`, the bubble's area in proportion to `size`.

    `y` is the published mIoU unless told; peak memory if nothing in the reports has one.

    Raises:
        UsageError: if a metric is unknown or `cell` matches nothing.
        ReportError: if no row has both `x` and `y`.
    """
    wanted = cell or CellFilter()
    several = as_reports(reports, wanted)
    axes, notes = _choose_metrics(several, x, y, size)

    def usable(row: Measurement) -> bool:
        values = axes.x.value(row), axes.y.value(row)
        return row.status == "ok" and None not in values

    what = f"both {axes.x.label} and {axes.y.label.partition(',')[0]}"
    cells, more = choose_cells(several, wanted, usable, what)
    rows = rows_of(several, cells)
    shown = [row for row in rows if usable(row.measurement)]
    notes = [*notes, *more, *_missing(rows, axes), *lower_bounds(shown, vars(axes).values())]
    marks = _marks(shown, axes)
    paper = _paper_marks(axes, marks) if all(is_papers(c) for c in cells if c) else []
    sentences = [measured_on(several, cells), *_sentences(marks, axes, paper, rows)]
    sentences += sentences_of(notes)
    caption = " ".join(sentence for sentence in sentences if sentence)
    names = [report for report, c in enumerate(cells) if c is not None]
    return Drawing(draw_bubbles(marks, paper, axes, caption, names), tuple(notes))


def _choose_metrics(
    reports: Sequence[Report], x: str, y: str | None, size: str
) -> tuple[Axes3, list[str]]:
    across, area = metric_named(x, "--x"), metric_named(size, "--size")
    if y is not None:
        return Axes3(across, metric_named(y, "--y", also=[MIOU]), area), []
    ok = [row for report in reports for row in report.measurements if row.status == "ok"]
    if any(MIOU.value(row) is not None for row in ok):
        return Axes3(across, MIOU, area), []
    instead = METRICS["memory" if x != "memory" else "flops"]
    return Axes3(across, instead, area), [f"no published mIoU here: y is {instead.label}"]


def _missing(rows: Sequence[Row], axes: Axes3) -> list[str]:
    notes = []
    for metric in dict.fromkeys((axes.x, axes.y)):
        absent = list(dict.fromkeys(without_metric(rows, metric)))
        if absent:
            what = "published mIoU" if metric is MIOU else metric.label
            notes.append(f"left out, having no {what}: {', '.join(absent)}")
    absent = list(dict.fromkeys(without_metric(rows, axes.size)))
    if absent:
        notes.append(f"drawn without a bubble, {axes.size.label} unknown: {', '.join(absent)}")
    return notes + not_measured(rows)


def _marks(rows: Sequence[Row], axes: Axes3) -> list[Mark]:
    names = (row.measurement.case.upsampler for row in rows)
    others = list(dict.fromkeys(names))
    sizes = [axes.size.value(row.measurement) for row in rows]
    largest = max((s for s in sizes if s), default=0.0)
    total = math.pi * sum((s or 0.0) / largest for s in sizes) if largest else 1.0
    limit = min(LARGEST_RADIUS_PT, math.sqrt(CROWDED * PLOT_WIDTH * PLOT_HEIGHT / total))
    marks = []
    for row, size in zip(rows, sizes, strict=True):
        found = axes.x.value(row.measurement), axes.y.value(row.measurement)
        across, up = (float(v) for v in found if v is not None)
        marks.append(
            Mark(
                _marked(row, axes),
                style_of(row.measurement.case.upsampler, others),
                across,
                up,
                size,
                limit * math.sqrt(size / largest) if size and largest else 0.0,
                axes.x.interval(row.measurement) or (across, across),
            )
        )
    return marks


def _marked(row: Row, axes: Axes3) -> Row:
    """The row, its title marked if a value drawn of it is a lower bound."""
    partial = any(is_lower_bound(metric, row.measurement) for metric in vars(axes).values())
    return replace(row, title=row.title + PARTIAL_MARK) if partial else row


def _paper_marks(axes: Axes3, marks: Sequence[Mark]) -> list[PaperMark]:
    """The paper's points of the upsamplers drawn: each has its name from the bubble beside it."""
    drawn = {mark.row.measurement.case.upsampler for mark in marks}
    if axes.x.name != "latency" or axes.y is not MIOU:
        return []
    return [
        PaperMark(p.upsampler, style_of(p.upsampler, []), p.latency_ms, p.miou)
        for p in load_published().figure_1.points
        if p.upsampler in drawn
    ]


def _sentences(
    marks: Sequence[Mark], axes: Axes3, paper: Sequence[PaperMark], rows: Sequence[Row]
) -> list[str]:
    sentences = []
    if "memory" in (axes.x.name, axes.y.name, axes.size.name):
        sentences.append(memory_kinds(rows))
    if any(mark.interval[0] < mark.interval[1] for mark in marks):
        sentences.append("Horizontal bars, where wider than the mark: 95 % interval of the median.")
    if axes.y is MIOU:
        sentences.append("mIoU is the authors', not measured here.")
        elsewhere = [
            m.row.title
            for m in marks
            if load_published().point(m.row.measurement.case.upsampler) is None
        ]
        if elsewhere:
            source = load_published().miou_elsewhere_source.partition(",")[0]
            sentences.append(f"mIoU of {', '.join(dict.fromkeys(elsewhere))}: {source}.")
    if paper:
        sentences.append(
            "Hollow grey, in the same shapes: the paper's own points, on the authors' GPU "
            "(Liu et al., ICCV 2023, Figure 1, read off the image)."
        )
    return sentences
