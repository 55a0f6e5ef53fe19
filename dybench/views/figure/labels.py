"""Placing labels beside bubbles so that nothing collides: plain geometry, in points, repeatable.

The frame's lower left corner is (0, 0). Hard rules (inside the frame, clear of the other labels
and of the others' bubbles) outweigh wishes (near its bubble, right of it, a clear leader line).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PADDING_PT = 1.5  # clearance kept around a label
LEADER_FROM_PT = 6.0  # a label further than this from its bubble gets a line to it
HARD = 1e6
_GAPS = (1.5, 4.0, 8.0, 13.0, 20.0, 30.0, 45.0, 65.0, 90.0, 130.0, 180.0, 240.0)
_ANGLES = tuple(math.radians(degrees) for degrees in range(0, 360, 15))


@dataclass(frozen=True)
class Bubble:
    """A disc to be labelled: centre, radius, and the label's width and height. Points."""

    x: float
    y: float
    radius: float
    width: float
    height: float


@dataclass(frozen=True)
class Disc:
    """Something unlabelled; covering it costs `weight` a point of depth, or is ruled out (HARD)."""

    x: float
    y: float
    radius: float
    weight: float


def discs_along(start: tuple[float, float], end: tuple[float, float], weight: float) -> list[Disc]:
    """Dots every 6 points of a line: labels keep off it where they can."""
    count = int(math.dist(start, end) / 6)
    return [
        Disc(
            start[0] + (end[0] - start[0]) * n / count,
            start[1] + (end[1] - start[1]) * n / count,
            0.0,
            weight,
        )
        for n in range(1, count)
    ]


@dataclass(frozen=True)
class Box:
    """A label's rectangle: lower left corner, width and height. Points."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two rectangles share area."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The rectangle's point closest to (x, y)."""
        right, top = self.x + self.width, self.y + self.height
        return min(max(x, self.x), right), min(max(y, self.y), top)

    def distance(self, x: float, y: float) -> float:
        """From (x, y) to the rectangle; 0 inside it."""
        near = self.nearest(x, y)
        return math.hypot(x - near[0], y - near[1])


def collisions(
    boxes: Sequence[Box], bubbles: Sequence[Bubble], frame: tuple[float, float]
) -> list[tuple[str, int, int]]:
    """Every broken hard rule, as (kind, label, other): empty when the placement is clean.

    A label may lie on its own bubble; kinds are `frame`, `label` and `bubble`.
    """
    found = []
    for i, box in enumerate(boxes):
        right, top = box.x + box.width, box.y + box.height
        if box.x < 0 or box.y < 0 or right > frame[0] or top > frame[1]:
            found.append(("frame", i, i))
        found += [("label", i, j) for j in range(i) if box.overlaps(boxes[j])]
        for j, bubble in enumerate(bubbles):
            if i != j and box.distance(bubble.x, bubble.y) < bubble.radius:
                found.append(("bubble", i, j))
    return found


def place(
    bubbles: Sequence[Bubble],
    frame: tuple[float, float],
    discs: Sequence[Disc] = (),
    passes: int = 6,
) -> list[Box]:
    """A rectangle for each bubble's label: greedily, the most crowded first, then in passes.

    The result is the best found; `collisions` says whether it is clean.
    """
    everything = [candidate_corners(bubble, frame) for bubble in bubbles]
    fixed = [_fixed_cost(i, bubbles, corners, frame, discs) for i, corners in enumerate(everything)]
    order = sorted(range(len(bubbles)), key=lambda i: (-float(np.quantile(fixed[i], 0.1)), i))
    chosen: dict[int, Floats] = {}
    for number in range(passes):
        moved = False
        for i in order:
            others = [(j, chosen[j]) for j in order if j in chosen and j != i]
            cost = fixed[i] + _label_cost(i, everything[i], bubbles, others)
            best = everything[i][int(np.argmin(cost))]
            moved |= i not in chosen or not np.array_equal(best, chosen[i])
            chosen[i] = best
        if number and not moved:
            break
    return [
        Box(float(chosen[i][0]), float(chosen[i][1]), bubble.width, bubble.height)
        for i, bubble in enumerate(bubbles)
    ]


def leader(
    bubble: Bubble, box: Box, bubbles: Sequence[Bubble]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The line from a bubble to its label, where the eye needs one; else None.

    It needs one to a label far away, and to one beside bubbles that cover each other's centres.
    """
    gap = box.distance(bubble.x, bubble.y)
    end = box.nearest(bubble.x, bubble.y)
    reach = {b: math.hypot(b.x - bubble.x, b.y - bubble.y) for b in bubbles if b is not bubble}
    if any(away < max(b.radius, bubble.radius) for b, away in reach.items()) and gap > 0:
        return (bubble.x, bubble.y), end
    if gap - bubble.radius <= LEADER_FROM_PT:
        return None
    share = bubble.radius / gap
    start = (bubble.x + (end[0] - bubble.x) * share, bubble.y + (end[1] - bubble.y) * share)
    return start, end


def candidate_corners(bubble: Bubble, frame: tuple[float, float]) -> Floats:
    """Where the label's lower left corner might go: inside, in rings around, and on a mesh."""
    w, h = bubble.width, bubble.height
    corners = [(bubble.x - w / 2, bubble.y - h / 2)]
    for offset in (0.25, 0.5):  # inside, but clear of the mark at the centre
        corners += [
            (bubble.x - w / 2, bubble.y - h / 2 + side * (h / 2 + 4 + offset * bubble.radius / 4))
            for side in (-1, 1)
        ]
    for gap in _GAPS:
        for angle in _ANGLES:
            across, up = math.cos(angle), math.sin(angle)
            reach = bubble.radius + gap
            # The corner or side that faces the bubble sits on the ring.
            x = bubble.x + reach * across - w * (1 - across) / 2
            y = bubble.y + reach * up - h * (1 - up) / 2
            corners.append((x, y))
    mesh_x = np.arange(PADDING_PT, max(frame[0] - w, 2), 9.0)
    mesh_y = np.arange(PADDING_PT, max(frame[1] - h, 2), 6.0)
    corners += [(float(x), float(y)) for x in mesh_x for y in mesh_y]
    return np.asarray(corners, dtype=np.float64)


def _fixed_cost(
    i: int,
    bubbles: Sequence[Bubble],
    corners: Floats,
    frame: tuple[float, float],
    discs: Sequence[Disc],
) -> Floats:
    """What each candidate costs whatever the other labels do."""
    me = bubbles[i]
    x, y = corners[:, 0], corners[:, 1]
    right, top = x + me.width, y + me.height
    outside = (
        np.maximum(PADDING_PT - x, 0)
        + np.maximum(PADDING_PT - y, 0)
        + np.maximum(right - frame[0] + PADDING_PT, 0)
        + np.maximum(top - frame[1] + PADDING_PT, 0)
    )
    cost = HARD * outside
    for j, other in enumerate(bubbles):
        if j != i:
            cost = cost + HARD * _depth(corners, me, other.x, other.y, other.radius + PADDING_PT)
    for disc in discs:
        depth = _depth(corners, me, disc.x, disc.y, disc.radius + PADDING_PT)
        cost = cost + disc.weight * depth
    gap = _distance(corners, me, me.x, me.y) - me.radius
    farthest = np.hypot(
        np.maximum(np.abs(x - me.x), np.abs(right - me.x)),
        np.maximum(np.abs(y - me.y), np.abs(top - me.y)),
    )
    inside = farthest < me.radius - 1
    mark = np.maximum(3.0 - _distance(corners, me, me.x, me.y), 0)
    astride = np.where(inside, 0.0, np.maximum(-gap, 0)) * 200
    cost = cost + np.where(inside, -8.0, np.maximum(gap, PADDING_PT)) + astride + 40 * mark
    cost = cost + np.where(gap > LEADER_FROM_PT, 8.0, 0.0)
    centre_x, centre_y = x + me.width / 2 - me.x, y + me.height / 2 - me.y
    leftward = 3.0 * (centre_x < -me.width / 4)
    askew = 6.0 * np.minimum(np.abs(centre_x), np.abs(centre_y)) / (me.height + me.radius)
    out: Floats = cost + np.where(inside, 0.0, leftward + np.minimum(askew, 4.0))
    return out


def _label_cost(
    i: int, corners: Floats, bubbles: Sequence[Bubble], others: Sequence[tuple[int, Floats]]
) -> Floats:
    """What each candidate costs for lying on another label or on the way of its leader line."""
    me = bubbles[i]
    cost = np.zeros(len(corners))
    for j, at in others:
        other = bubbles[j]
        across = np.minimum(corners[:, 0] + me.width, at[0] + other.width) - np.maximum(
            corners[:, 0], at[0]
        )
        up = np.minimum(corners[:, 1] + me.height, at[1] + other.height) - np.maximum(
            corners[:, 1], at[1]
        )
        shared = np.minimum(across, up) + 2 * PADDING_PT
        cost += np.where(shared > 0, HARD * shared, 0.0)
        cost += 60.0 * _crosses(corners, me, at, other)
    return cost


def _crosses(corners: Floats, me: Bubble, at: Floats, other: Bubble) -> Floats:
    """How often the two leader lines meet each other or the other label (0 to 2, by samples)."""
    steps = np.linspace(0.0, 1.0, 12)[None, :]
    near_x = np.clip(me.x, corners[:, 0], corners[:, 0] + me.width)[:, None]
    near_y = np.clip(me.y, corners[:, 1], corners[:, 1] + me.height)[:, None]
    line_x, line_y = me.x + (near_x - me.x) * steps, me.y + (near_y - me.y) * steps
    on_label = (
        (line_x > at[0] - 1)
        & (line_x < at[0] + other.width + 1)
        & (line_y > at[1] - 1)
        & (line_y < at[1] + other.height + 1)
    ).any(axis=1)
    other_x = np.clip(other.x, at[0], at[0] + other.width)
    other_y = np.clip(other.y, at[1], at[1] + other.height)
    theirs_x = (other.x + (other_x - other.x) * steps)[0]
    theirs_y = (other.y + (other_y - other.y) * steps)[0]
    under = (
        (theirs_x[None, :] > corners[:, :1] - 1)
        & (theirs_x[None, :] < corners[:, :1] + me.width + 1)
        & (theirs_y[None, :] > corners[:, 1:] - 1)
        & (theirs_y[None, :] < corners[:, 1:] + me.height + 1)
    ).any(axis=1)
    meet = _segments_meet(me, near_x[:, 0], near_y[:, 0], other, float(other_x), float(other_y))
    out: Floats = on_label.astype(np.float64) + under + meet
    return out


def _segments_meet(
    me: Bubble, end_x: Floats, end_y: Floats, other: Bubble, other_x: float, other_y: float
) -> Floats:
    def side(ax: Floats, ay: Floats, bx: Floats, by: Floats, cx: Floats, cy: Floats) -> Floats:
        out: Floats = np.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        return out

    one = np.ones_like(end_x)
    ax, ay, cx, cy = one * me.x, one * me.y, one * other.x, one * other.y
    dx, dy = one * other_x, one * other_y
    theirs = side(ax, ay, end_x, end_y, cx, cy) * side(ax, ay, end_x, end_y, dx, dy)
    ours = side(cx, cy, dx, dy, ax, ay) * side(cx, cy, dx, dy, end_x, end_y)
    out: Floats = ((theirs < 0) & (ours < 0)).astype(np.float64)
    return out


def _distance(corners: Floats, me: Bubble, x: float, y: float) -> Floats:
    """From (x, y) to each candidate rectangle."""
    aside = np.maximum(np.maximum(corners[:, 0] - x, x - corners[:, 0] - me.width), 0)
    above = np.maximum(np.maximum(corners[:, 1] - y, y - corners[:, 1] - me.height), 0)
    out: Floats = np.hypot(aside, above)
    return out


def _depth(corners: Floats, me: Bubble, x: float, y: float, radius: float) -> Floats:
    """How deep the disc reaches into each candidate rectangle."""
    out: Floats = np.maximum(radius - _distance(corners, me, x, y), 0)
    return out
