"""Labels beside bubbles: textalloc places them, what it placed is judged here. Lengths in points.

The frame's lower left corner is (0, 0).
"""

from __future__ import annotations

import math
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import textalloc
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from dybench.views.figure.style import DPI, FONT_PT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Point = tuple[float, float]
    Line = tuple[Point, Point]

EDGE_PT, MARGIN_PT = 1.5, 1.0  # clearance from the frame and around a label
LEADER_FROM_PT = 6.0  # a label further than this from its bubble gets a line to it
GAPS_PT = (2.0, 10.0, 25.0, 50.0)  # from bubble to label: on a wider ring more labels have room
STRAIGHT = ["east", "south", "north", "west"]
ASKEW = ["northeast", "southeast", "southwest", "northwest"]
ORDERS = range(3)  # seeds of the order in which labels take their places


@dataclass(frozen=True)
class Bubble:
    """A disc and what to write beside it."""

    x: float
    y: float
    radius: float
    text: str = ""


def place(bubbles: Sequence[Bubble], lines: Sequence[Line], frame: Point) -> list[Bbox] | None:
    """A box for each text in the frame, clear of texts, their leader lines and every bubble.

    Where there is room, labels keep off `lines` too, and leader lines off one another. None if
    some label finds no place.
    """
    labelled = [bubble for bubble in bubbles if bubble.text]
    wishes = ((lines, True), (lines, False), ((), False))
    tries = list(product((STRAIGHT + ASKEW, ASKEW + STRAIGHT), ORDERS))
    for (avoided, uncrossed), gap in product(wishes, GAPS_PT):
        found = [_allocate(bubbles, avoided, frame, gap, uncrossed, *t) for t in tries]
        clean = [b for b in found if len(b) == len(labelled) and _is_clean(b, bubbles, frame)]
        if clean:
            return min(clean, key=lambda boxes: _untidiness(boxes, labelled))
    return None


def leader(bubble: Bubble, box: Bbox, bubbles: Sequence[Bubble]) -> Line | None:
    """The line from a bubble to its label if the label is far away or might be another's."""
    end, gap = _nearest(box, bubble), _gap(box, bubble)
    rest = [b for b in bubbles if b is not bubble]
    if any(
        math.dist((b.x, b.y), (bubble.x, bubble.y)) < max(b.radius, bubble.radius) for b in rest
    ):
        return (bubble.x, bubble.y), end
    if gap <= LEADER_FROM_PT and all(_gap(box, b) > gap + 2 for b in rest):
        return None
    share = bubble.radius / (bubble.radius + gap)
    return (bubble.x + (end[0] - bubble.x) * share, bubble.y + (end[1] - bubble.y) * share), end


def _allocate(
    bubbles: Sequence[Bubble],
    lines: Sequence[Line],
    frame: Point,
    gap: float,
    uncrossed: bool,
    sides: list[str],
    order: int,
) -> list[Bbox]:
    """The labels that textalloc finds a place for, as rendered on a page that is thrown away."""
    (width, height), pixels = frame, DPI / 72
    labelled = [bubble for bubble in bubbles if bubble.text]
    page = FigureCanvasAgg(Figure(figsize=(width / 72, height / 72), dpi=DPI)).figure
    axes = page.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    squares = list(dict.fromkeys(s for b in bubbles for s in _squares(b)))
    halves: list[Any] = [half * pixels for _, _, half in squares]  # textalloc's own type is wrong
    radii: list[Any] = [b.radius * pixels for b in labelled]
    with redirect_stdout(None):  # it prints a line when it places nothing
        _, _, texts, _ = textalloc.allocate(
            axes, [b.x for b in labelled], [b.y for b in labelled], [b.text for b in labelled],
            x_scatter=[x for x, _, _ in squares], y_scatter=[y for _, y, _ in squares],
            scatter_sizes=halves, text_scatter_sizes=radii,
            x_lines=[[x for x, _ in line] for line in lines],
            y_lines=[[y for _, y in line] for line in lines],
            xlims=(EDGE_PT, width - EDGE_PT), ylims=(EDGE_PT, height - EDGE_PT),
            margin=MARGIN_PT / width, min_distance=gap / width, max_distance=120 / width,
            nbr_candidates=400, direction=sides, priority_strategy=order, draw_all=False,
            avoid_label_lines_overlap=True, avoid_crossing_label_lines=uncrossed,
            textsize=FONT_PT, auto_ha=False, va="bottom",
        )  # fmt: skip
    extents = [text.get_window_extent() for text in texts if isinstance(text, Text)]
    return [Bbox(extent.get_points() / pixels) for extent in extents]


def _squares(bubble: Bubble) -> Iterator[tuple[float, float, float]]:
    """A disc in textalloc's terms, (x, y, half a side): the square in it, and dots on its rim."""
    yield bubble.x, bubble.y, bubble.radius * math.sqrt(0.5)
    count = math.ceil(2 * math.pi * bubble.radius / 5)
    for turn in (2 * math.pi * n / count for n in range(count)):
        across, up = bubble.radius * math.cos(turn), bubble.radius * math.sin(turn)
        yield bubble.x + across, bubble.y + up, 0.5


def _is_clean(boxes: list[Bbox], bubbles: Sequence[Bubble], frame: Point) -> bool:
    inside = all(min(b.x0, b.y0, frame[0] - b.x1, frame[1] - b.y1) >= 0 for b in boxes)
    apart = not any(box.overlaps(other) for box, other in combinations(boxes, 2))
    return inside and apart and all(_gap(box, b) >= 0 for box, b in product(boxes, bubbles))


def _untidiness(boxes: list[Bbox], bubbles: Sequence[Bubble]) -> float:
    """Points between bubbles and labels, and ten more for each leader line."""
    both = list(zip(boxes, bubbles, strict=True))
    leaders = sum(leader(bubble, box, bubbles) is not None for box, bubble in both)
    return sum(_gap(box, bubble) for box, bubble in both) + 10 * leaders


def _nearest(box: Bbox, bubble: Bubble) -> Point:
    return min(max(bubble.x, box.x0), box.x1), min(max(bubble.y, box.y0), box.y1)


def _gap(box: Bbox, bubble: Bubble) -> float:
    return math.dist(_nearest(box, bubble), (bubble.x, bubble.y)) - bubble.radius
