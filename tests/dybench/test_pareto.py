"""The front, held to its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dybench.pareto import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def test_what_is_slower_and_no_better_is_off_the_front():
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (4.0, 1.0)]
    assert pareto_front(points) == [True, True, False, False, True]


def test_equal_points_share_their_place():
    assert (
        pareto_front([(1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (2.0, 2.0)]) == [True] * 2 + [False] * 2
    )


@given(POINTS)
def test_points_off_the_front_are_beaten_by_one_on_it_and_no_others_are(points):
    flags = pareto_front(points)
    front = [point for point, on in zip(points, flags, strict=True) if on]
    for point, on in zip(points, flags, strict=True):
        beaten = any(x <= point[0] and y <= point[1] and (x, y) != point for x, y in front)
        assert beaten is not on


@given(POINTS)
def test_the_front_is_what_sorting_finds(points):
    best, found = None, set()
    for x, y in sorted(points):
        if best is None or y < best:
            best = y
            found.add((x, y))
    assert {p for p, on in zip(points, pareto_front(points), strict=True) if on} == found
