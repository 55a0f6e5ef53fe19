"""Drawing the lines of scaling: panels as wide as ever, and beside them what the legends need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from dybench.views.cells import PARTIAL_MARK
from dybench.views.figure.caption import letter
from dybench.views.figure.frame import PAGE_PT, Page, fit_axis, format_tick, grid
from dybench.views.figure.metrics import Metric, is_lower_bound
from dybench.views.figure.style import RC, SMALL_PT, Style, text_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dybench.views.figure.select import Row

    Source = tuple[int, str]  # a report's number and one of its devices

PANEL_HEIGHT, COLUMN, PLOT_LEFT, LEGEND_WIDTH = 176.0, 248.0, 40.0, 84.0
LEAST_WIDTH = COLUMN - PLOT_LEFT - LEGEND_WIDTH  # of a panel: its ticks need that
ROW_GAP, LEGEND_LINE_PT = 30.0, 9.3
LEGEND_PT, LEGEND_TITLE_PT = SMALL_PT - 0.8, SMALL_PT - 0.3
HANDLE, HANDLE_SPACE, LEGEND_PAD = 2.2, 0.5, 0.1  # in letters of the legend's size
LEGEND_GAP_PT, LEGEND_SPACE_PT = 1.2, 3.0  # before and after a legend
LINE_STYLES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


@dataclass(frozen=True)
class Series:
    """One upsampler's line in one panel: its rows in increasing x, and log-log slope."""

    rows: tuple[Row, ...]
    style: Style
    x: tuple[float, ...]
    y: tuple[float, ...]
    exponent: float

    @property
    def source(self) -> Source:
        """The report and the device that all its points are of."""
        return self.rows[0].report, self.rows[0].measurement.case.device


@dataclass(frozen=True)
class Panel:
    """One metric against one axis, everything else (`fixed`) held."""

    axis: str
    metric: Metric
    fixed: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Widths:
    """Of a panel's parts, in points: tick labels on its left, its frame, its legend."""

    left: float
    plot: float
    legend: float

    @property
    def column(self) -> float:
        """All of them."""
        return self.left + self.plot + self.legend


def sources_of(panels: Sequence[Panel]) -> list[Source]:
    """The reports and devices of which something is drawn."""
    return sorted({series.source for panel in panels for series in panel.series})


def draw_lines(panels: Sequence[Panel], caption: str) -> Figure:
    """One row a metric, one column an axis; the page grows with the names in the legends."""
    rows = list(dict.fromkeys(panel.metric.name for panel in panels))
    columns = list(dict.fromkeys(panel.axis for panel in panels))
    most = max(len(panel.series) for panel in panels)
    height = max(PANEL_HEIGHT, LEGEND_LINE_PT * (most + 1.5))
    sources = sources_of(panels)
    widths = _widths(panels, sources, 2 * COLUMN / len(columns))
    page_pt = max(PAGE_PT, widths.column * len(columns) + 8)
    page = Page((height + ROW_GAP) * len(rows) + 8, caption, page_pt)
    with rc_context(RC):
        for panel in panels:
            left = widths.left + columns.index(panel.axis) * widths.column
            up = ROW_GAP + (len(rows) - 1 - rows.index(panel.metric.name)) * (height + ROW_GAP)
            plot = page.axes(left, up, widths.plot, height)
            _draw_panel(plot, panel, sources, widths.plot, height)
    return page.figure


def _widths(panels: Sequence[Panel], sources: Sequence[Source], column: float) -> Widths:
    texts = {_legend_text(panel, s, sources) for panel in panels for s in panel.series}
    named = max(text_size(text, LEGEND_PT)[0] for text in texts)
    handle = LEGEND_PT * (HANDLE + HANDLE_SPACE)
    title = max(text_size(_legend_title(panel), LEGEND_TITLE_PT)[0] for panel in panels)
    around = LEGEND_GAP_PT + 2 * LEGEND_PAD * LEGEND_PT + LEGEND_SPACE_PT
    legend = max(LEGEND_WIDTH, max(handle + named, title) + around)
    ends = [v for p in panels for s in p.series for y in s.y for v in (y, 1.5 * y)]
    ticks = {format_tick(10.0 ** math.floor(math.log10(v))) for v in ends}
    left = max(PLOT_LEFT, max(text_size(tick, SMALL_PT)[0] for tick in ticks) + 20)
    return Widths(left, max(LEAST_WIDTH, column - left - legend), legend)


def _legend_title(panel: Panel) -> str:
    return f"∝ {panel.axis}ᵖ with p ="


def _legend_text(panel: Panel, series: Series, sources: Sequence[Source]) -> str:
    """Slope and name; the report's letter if several are drawn, the device if one has several."""
    report, device = series.source
    reports = {number for number, _ in sources}
    text = f"{series.exponent:.2f}  {series.rows[0].title}"
    if any(is_lower_bound(panel.metric, row.measurement) for row in series.rows):
        text += PARTIAL_MARK
    text += f" [{letter(report)}]" if len(reports) > 1 else ""
    return text + (f" {device}" if len(sources) > len(reports) else "")


def _draw_panel(
    plot: Axes, panel: Panel, sources: Sequence[Source], width: float, height: float
) -> None:
    x = [v for series in panel.series for v in series.x]
    y = [v for series in panel.series for v in series.y]
    fit_axis(plot.xaxis, x, [6.0] * len(x), [6.0] * len(x), width, "log")
    fit_axis(plot.yaxis, y, [6.0] * len(y), [6.0] * len(y), height, "log")
    handles = []
    for series in panel.series:
        line = series.style.line
        if len(sources) > 1:
            line = LINE_STYLES[sources.index(series.source) % len(LINE_STYLES)]
        look: dict[str, Any] = {
            "color": series.style.colour, "linestyle": line, "linewidth": 1.0,
            "marker": series.style.marker, "markersize": 3.8, "markeredgecolor": "#222222",
            "markeredgewidth": 0.4,
        }  # fmt: skip
        plot.plot(series.x, series.y, **look)
        handles.append(Line2D([], [], label=_legend_text(panel, series, sources), **look))
    plot.legend(
        handles=handles, title=_legend_title(panel), loc="upper left",
        bbox_to_anchor=(1 + LEGEND_GAP_PT / width, 1.02), borderaxespad=0, frameon=False,
        fontsize=LEGEND_PT, title_fontsize=LEGEND_TITLE_PT, handlelength=HANDLE,
        handletextpad=HANDLE_SPACE, borderpad=LEGEND_PAD, labelspacing=0.3, alignment="left",
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
