"""Which points no other point beats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point is Pareto-optimal when both coordinates are to be small.

    A point is off the front if another is at least as small in both coordinates and smaller in
    one; equal points are on it, or off it, together. Negate a coordinate that is to be large.
    """
    return [not any(_dominates(other, point) for other in points) for point in points]


def _dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b
