"""Drawing the bubbles: frame, the paper's points behind, ours, and a label for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import rc_context

from dybench.errors import ReportError
from dybench.views.figure.frame import Page, fit_axis, grid, scale_for
from dybench.views.figure.key import draw_key
from dybench.views.figure.labels import Bubble, leader, place
from dybench.views.figure.metrics import MIOU, needs_log
from dybench.views.figure.style import FONT_PT, PAPER_COLOUR, RC, REPORT_LINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dybench.views.figure.metrics import Metric
    from dybench.views.figure.select import Identity, Row
    from dybench.views.figure.style import Style

    Link = tuple[tuple[float, float], tuple[float, float]]

PLOT_X, PLOT_Y, PLOT_WIDTH, PLOT_HEIGHT = 42.0, 30.0, 340.0, 262.0
KEY_X, KEY_WIDTH = PLOT_X + PLOT_WIDTH + 10, 108.0
LEAST_SPAN = 0.25  # of the middle value: no axis shows less
MARK_PT = 3.8  # the shape at each bubble's centre, which also shows what costs no FLOPs


@dataclass(frozen=True)
class Mark:
    """One bubble: its place in data units, its radius in points, what it stands for."""

    row: Row
    style: Style
    x: float
    y: float
    size: float | None
    radius: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class PaperMark:
    """One of the paper's own points."""

    upsampler: str
    style: Style
    x: float
    y: float


@dataclass(frozen=True)
class Axes3:
    """The metrics on x, on y and in the bubbles' area."""

    x: Metric
    y: Metric
    size: Metric


def draw_bubbles(
    marks: Sequence[Mark],
    paper: Sequence[PaperMark],
    axes: Axes3,
    caption: str,
    shown: Sequence[int],
) -> Figure:
    """Draw at the usual height; higher, if that leaves no clean place for every label."""
    for growth in (1.0, 1.25, 1.6, 2.0, 2.6):
        height = PLOT_HEIGHT * growth
        page = Page(height + PLOT_Y + 8, caption)
        with rc_context(RC):
            plot = page.axes(PLOT_X, PLOT_Y, PLOT_WIDTH, height)
            _fit(plot, marks, paper, axes, height)
            grid(plot)
            _draw_paper(plot, paper, marks)
            _draw_marks(plot, marks)
            clean = _draw_labels(plot, marks, paper, height)
            key = page.axes(KEY_X, PLOT_Y, KEY_WIDTH, height)
            draw_key(key, axes.size, [(m.size, m.radius) for m in marks], shown, bool(paper))
        if clean:
            return page.figure
    raise ReportError(
        "the labels of so many upsamplers find no room: "
        "choose some with `--cell upsampler=NAME,NAME`"
    )


def _fit(
    plot: Axes, marks: Sequence[Mark], paper: Sequence[PaperMark], axes: Axes3, height: float
) -> None:
    reach = [max(m.radius, MARK_PT) + 3 for m in marks]
    ends = [(end, 3.0) for m in marks for end in m.interval]
    theirs = [MARK_PT + 2.0] * len(paper)
    xs = [m.x for m in marks] + [p.x for p in paper] + [end for end, _ in ends]
    ys = [m.y for m in marks] + [p.y for p in paper]
    wide = reach + theirs + [room for _, room in ends]
    scale = scale_for(xs, needs_log(xs))
    fit_axis(plot.xaxis, xs, wide, wide, PLOT_WIDTH, scale, LEAST_SPAN)
    log_y = axes.y is not MIOU and needs_log(ys)
    fit_axis(
        plot.yaxis,
        ys,
        reach + theirs,
        reach + theirs,
        height,
        scale_for(ys, log_y),
        LEAST_SPAN if axes.y is not MIOU else 0.01,
    )
    plot.set_xlabel(axes.x.axis_label + ("" if scale == "linear" else ", log scale"))
    plot.set_ylabel(axes.y.axis_label + (", log scale" if log_y else ""))


def _draw_paper(plot: Axes, paper: Sequence[PaperMark], marks: Sequence[Mark]) -> None:
    for (x, y), (to_x, to_y) in _paper_links(paper, marks):
        plot.plot(
            [x, to_x], [y, to_y], color="#C4C4C4", linewidth=0.5, linestyle=(0, (1, 2)), zorder=1.1
        )
    for point in paper:
        plot.scatter(
            point.x, point.y, s=MARK_PT**2, marker=point.style.marker, facecolor="white",
            edgecolor=PAPER_COLOUR, linewidth=0.7, zorder=1.2, label="paper",
        )  # fmt: skip


def _paper_links(paper: Sequence[PaperMark], marks: Sequence[Mark]) -> list[Link]:
    """From each of the paper's points to our first bubble of the same upsampler."""
    ours: dict[str, Mark] = {}
    for mark in marks:
        if not mark.row.measurement.case.options:
            ours.setdefault(mark.row.measurement.case.upsampler, mark)
    return [
        ((point.x, point.y), (ours[point.upsampler].x, ours[point.upsampler].y))
        for point in paper
        if point.upsampler in ours
    ]


def _report_links(marks: Sequence[Mark]) -> list[Link]:
    """From each upsampler's first bubble to its bubbles of the later reports."""
    first: dict[Identity, Mark] = {}
    links = []
    for mark in marks:
        start = first.setdefault(mark.row.identity, mark)
        if start is not mark:
            links.append(((start.x, start.y), (mark.x, mark.y)))
    return links


def _draw_marks(plot: Axes, marks: Sequence[Mark]) -> None:
    for (x, y), (to_x, to_y) in _report_links(marks):
        plot.plot([x, to_x], [y, to_y], color="#9A9A9A", linewidth=0.6, zorder=1.9)
    for mark in sorted(marks, key=lambda m: -m.radius):
        colour, report = mark.style.colour, mark.row.report
        if mark.radius:
            plot.scatter(
                mark.x, mark.y, s=(2 * mark.radius) ** 2, marker="o",
                label=f"bubble {mark.row.title}",
                facecolor=(colour, 0.45) if report == 0 else "none", edgecolor=colour,
                linewidth=0.8, linestyle=REPORT_LINES[report], zorder=2,
            )  # fmt: skip
        if mark.interval[0] < mark.interval[1]:
            plot.plot(mark.interval, [mark.y] * 2, color="#222222", linewidth=0.8, zorder=3)
        plot.scatter(
            mark.x, mark.y, s=MARK_PT**2, marker=mark.style.marker, edgecolor="#222222",
            facecolor=colour if report == 0 else "white", linewidth=0.5, zorder=4,
            label=f"mark {mark.row.title}",
        )  # fmt: skip


def _draw_labels(
    plot: Axes, marks: Sequence[Mark], paper: Sequence[PaperMark], height: float
) -> bool:
    """Label each upsampler once, where its first report has it; False if one finds no place."""
    frame = (PLOT_WIDTH, height)

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = plot.transAxes.inverted().transform(plot.transData.transform((x, y)))
        return float(across) * PLOT_WIDTH, float(up) * height

    labelled = list({mark.row.identity: mark for mark in reversed(marks)}.values())
    others = [mark for mark in marks if all(mark is not other for other in labelled)]
    half = MARK_PT / 2
    bubbles = [Bubble(*at(m.x, m.y), max(m.radius, half + 0.5), m.row.title) for m in labelled]
    silent = [Bubble(*at(m.x, m.y), max(m.radius, half)) for m in others]
    spans = [((m.interval[0], m.y), (m.interval[1], m.y)) for m in marks]
    lines = [(at(*start), at(*end)) for start, end in [*spans, *_report_links(marks)]]
    centres = [at(p.x, p.y) for p in paper]
    lines += [((x - half, y - half), (x + half, y + half)) for x, y in centres]
    boxes = place([*bubbles, *silent], lines, frame)
    if boxes is None:
        return False
    for bubble, box in zip(bubbles, boxes, strict=True):
        plot.text(
            box.x0 / frame[0], box.y0 / frame[1], bubble.text, transform=plot.transAxes,
            fontsize=FONT_PT, va="bottom", ha="left", color="#111111", zorder=6, label="label",
        )  # fmt: skip
        line = leader(bubble, box, bubbles)
        if line is not None:
            plot.plot(
                [x / frame[0] for x, _ in line], [y / frame[1] for _, y in line],
                transform=plot.transAxes, color="#444444", linewidth=0.5, zorder=3.5,
                label="leader",
            )  # fmt: skip
    return True
