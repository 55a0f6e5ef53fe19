"""Footnotes: notes that differ in one number only are one footnote with a range."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)")


def number_notes(rows: Sequence[Sequence[str]]) -> tuple[list[str], list[tuple[int, ...]]]:
    """The footnotes of a table, and for each row the numbers, from 1, of its own."""
    families: dict[str, list[str]] = {}
    for note in (note for notes in rows for note in notes):
        family = families.setdefault(_NUMBER.sub("#", note), [])
        if note not in family:
            family.append(note)
    footnotes: list[str] = []
    places: dict[str, int] = {}
    for family in families.values():
        merged = _merge(family)
        for note in family:
            text = merged or note
            if text not in footnotes:
                footnotes.append(text)
            places[note] = 1 + footnotes.index(text)
    return footnotes, [tuple(sorted({places[note] for note in notes})) for notes in rows]


def _merge(family: Sequence[str]) -> str | None:
    """One note for notes that are alike but for one number; None if they differ in more."""
    numbers = [_NUMBER.findall(note) for note in family]
    varying = [i for i, seen in enumerate(zip(*numbers, strict=True)) if len(set(seen)) > 1]
    if len(varying) != 1:
        return None
    seen = sorted({found[varying[0]] for found in numbers}, key=float)
    spans = [match.span() for match in _NUMBER.finditer(family[0])]
    start, end = spans[varying[0]]
    return f"{family[0][:start]}{seen[0]} to {seen[-1]}{family[0][end:]}"
