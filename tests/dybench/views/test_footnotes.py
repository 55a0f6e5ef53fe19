"""Footnotes: shared, merged where they say the same, never lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dybench.views.footnotes import number_notes


def test_the_same_note_is_one_footnote():
    assert number_notes([["x"], ["y", "x"], []]) == (["x", "y"], [(1,), (1, 2), ()])


def test_notes_alike_but_for_one_number_are_a_range():
    rows = [["spread 30%: raise it"], ["spread 5829%: raise it", "warm"], ["spread 7.5%: raise it"]]
    footnotes, numbers = number_notes(rows)
    assert footnotes == ["spread 7.5 to 5829%: raise it", "warm"]
    assert numbers == [(1,), (1, 2), (1,)]


def test_notes_that_differ_in_more_stay_apart():
    rows = [["1 of 2"], ["3 of 4"]]
    assert number_notes(rows) == (["1 of 2", "3 of 4"], [(1,), (2,)])


def test_numbers_within_names_are_no_numbers():
    rows = [["no float16 here"], ["no float32 here"], ["torch 2.6.1"], ["torch 2.7.1"]]
    assert len(number_notes(rows)[0]) == 4


WORDS = st.lists(st.sampled_from(["a", "1", "2", "30%", "4.5", "x7", "b:"]), min_size=1, max_size=4)
ROWS = st.lists(st.lists(WORDS.map(" ".join), max_size=3), max_size=5)


@given(ROWS)
def test_every_note_has_a_footnote_and_every_footnote_a_row(rows):
    footnotes, numbers = number_notes(rows)
    assert len(set(footnotes)) == len(footnotes)
    used = {number for row in numbers for number in row}
    assert used == set(range(1, len(footnotes) + 1))
    assert [bool(row) for row in rows] == [bool(row) for row in numbers]
