"""Which rows of which reports a figure shows, and under what name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING

import msgspec

from dybench.case import Cell
from dybench.errors import ReportError, UsageError
from dybench.result import Report
from dybench.views.figure.style import title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dybench.case import Case
    from dybench.result import Measurement

MAX_REPORTS = 4  # more fill patterns than this cannot be told apart
PAPER_SHAPE = (256, 120, 120, 2)
LONGEST_TITLE = 26  # characters: what fits beside a point
CELL_NOTE = "showing cell"
Identity = tuple[str, tuple[tuple[str, object], ...]]


@dataclass(frozen=True)
class Row:
    """A measurement to draw: from report number `report`, under the name `title`."""

    report: int
    title: str
    measurement: Measurement

    @property
    def identity(self) -> Identity:
        """What stays the same across cells and reports."""
        return identity(self.measurement.case)


@dataclass(frozen=True)
class CellFilter:
    """Wanted values of some fields of a `Cell`, and upsamplers; an empty one takes everything."""

    wanted: dict[str, int | str] = field(default_factory=dict)
    upsamplers: tuple[str, ...] = ()

    def __call__(self, cell: Cell) -> bool:
        """Whether the cell has all the wanted values."""
        return all(getattr(cell, name) == value for name, value in self.wanted.items())

    def __str__(self) -> str:
        """The filter as it is typed."""
        chosen = [f"upsampler={','.join(self.upsamplers)}"] if self.upsamplers else []
        return ",".join([*(f"{name}={value}" for name, value in self.wanted.items()), *chosen])


def parse_filter(text: str | None) -> CellFilter:
    """Read `channels=256,size=120x120,dtype=float16,upsampler=carafe,fade`.

    Raises:
        UsageError: if a field is unknown or its value is no number where one is due.
    """
    wanted: dict[str, int | str] = {}
    upsamplers: list[str] = []
    known = ("size", *Cell.__struct_fields__, "upsampler")
    last = ""
    for part in (text or "").split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not equals and last == "upsampler":
            name, value = last, name
        elif not equals or name not in known:
            raise UsageError(
                f"`--cell` (={text!r}) must be field=value, with a field of {', '.join(known)}"
            )
        last = name
        if name == "upsampler":
            upsamplers.append(value)
        else:
            wanted |= _parse_field(name, value, text)
    return CellFilter(wanted, tuple(upsamplers))


def _parse_field(name: str, value: str, text: str | None) -> dict[str, int | str]:
    pairs = {name: value}
    if name == "size":
        height, _, width = value.lower().partition("x")
        pairs = {"height": height, "width": width or height}
    if isinstance(getattr(Cell(1, 1, 1, 1), next(iter(pairs))), str):
        return dict(pairs)
    if not all(item.isdecimal() for item in pairs.values()):
        raise UsageError(f"`--cell` (={text!r}) must give {name} as a positive integer")
    return {key: int(item) for key, item in pairs.items()}


def as_reports(reports: Report | Sequence[Report], wanted: CellFilter) -> list[Report]:
    """One report or several, as a list, each with the wanted upsamplers alone.

    Raises:
        UsageError: if there are none, more than can be told apart, or no such upsampler.
    """
    several = [reports] if isinstance(reports, Report) else list(reports)
    if not 1 <= len(several) <= MAX_REPORTS:
        raise UsageError(f"a figure shows 1 to {MAX_REPORTS} reports, not {len(several)}")
    rows = [row for report in several for row in report.measurements]
    if not wanted.upsamplers or not rows:
        return several
    there = list(dict.fromkeys(row.case.upsampler for row in rows))
    chosen = {name for wish in wanted.upsamplers for name in _named(wish, there)}
    return [
        msgspec.structs.replace(
            report, measurements=[m for m in report.measurements if m.case.upsampler in chosen]
        )
        for report in several
    ]


def _named(wish: str, there: Sequence[str]) -> list[str]:
    """The upsamplers that are named so in full, or else in a figure."""
    alike = [name for name in there if title_of(name) == wish]
    if wish in there or alike:
        return [wish] if wish in there else alike
    near = difflib.get_close_matches(wish, [*there, *map(title_of, there)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(there[:9])}"
    raise UsageError(f"`--cell` (='upsampler={wish}') names nothing that was measured: {hint}")


def identity(case: Case) -> Identity:
    """The upsampler and its options."""
    return (case.upsampler, tuple(sorted(case.options.items())))


def choose_cells(
    reports: Sequence[Report],
    wanted: CellFilter,
    usable: Callable[[Measurement], bool],
    what: str,
) -> tuple[list[Cell | None], list[str]]:
    """One cell a report, alike but for the device; and notes on what was passed over.

    The paper's shape (256×120×120 ×2) is preferred, then float32, one image, inference.

    Raises:
        ReportError: if the first report has no cell with a usable row.
    """
    cells: list[Cell | None] = []
    notes: list[str] = []
    for number, report in enumerate(reports):
        groups = report.by_cell().items()
        having = [cell for cell, rows in groups if any(usable(row) for row in rows)]
        if number == 0:
            first = _first_cell(having, wanted, what)
            if len(having) > 1:
                notes.append(
                    f"{CELL_NOTE} {describe_cell(first)}: one of {len(having)} in the report"
                )
            cells.append(first)
            continue
        alike = [cell for cell in having if _without_device(cell) == _without_device(first)]
        alike.sort(key=lambda cell: cell.device != first.device)
        cells.append(alike[0] if alike else None)
        if not alike:
            notes.append(f"report {number + 1} left out: no row with {what} in that cell")
    return cells, notes


def _first_cell(having: Sequence[Cell], wanted: CellFilter, what: str) -> Cell:
    if not having:
        raise ReportError(f"the report has no row with {what}: nothing to draw")
    matching = [cell for cell in having if wanted(cell)]
    if not matching:
        there = "; ".join(describe_cell(cell) for cell in having[:3])
        raise UsageError(
            f"`--cell` (={str(wanted)!r}) matches no cell with {what}; there is {there}"
        )
    return min(matching, key=_strangeness)


def is_papers(cell: Cell) -> bool:
    """Whether the cell is what the paper's Figure 1 was measured at, whatever its dtype."""
    found = (cell.channels, cell.height, cell.width, cell.scale, cell.batch, cell.mode)
    return found == (*PAPER_SHAPE, 1, "inference")


def _strangeness(cell: Cell) -> tuple[bool, ...]:
    shape = (cell.channels, cell.height, cell.width, cell.scale)
    if shape != PAPER_SHAPE:
        return (True,)
    usual = (cell.mode, cell.batch, cell.dtype, cell.layout, cell.runtime)
    paper = ("inference", 1, "float32", "contiguous", "eager")
    return (False, *(ours != theirs for ours, theirs in zip(usual, paper, strict=True)))


def _without_device(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, device="")


def describe_cell(cell: Cell) -> str:
    """The cell in a few words, such as `256×120×120 ×2, batch 1, float32, …`."""
    words = [
        f"{cell.channels}×{cell.height}×{cell.width} ×{cell.scale}",
        f"batch {cell.batch}",
        cell.dtype,
        cell.layout,
        cell.mode + (" (forward and backward)" if cell.mode == "training" else ""),
    ]
    if cell.runtime != "eager":
        words.append(cell.runtime)
    return ", ".join(words)


def rows_of(reports: Sequence[Report], cells: Sequence[Cell | None]) -> list[Row]:
    """The rows of each report's cell, whatever their status, under names that all differ."""
    found = [
        (number, row)
        for number, (report, cell) in enumerate(zip(reports, cells, strict=True))
        for row in report.measurements
        if cell is not None and row.case.cell == cell
    ]
    titles = distinct_titles(row.case for _, row in found)
    return [Row(number, titles[identity(row.case)], row) for number, row in found]


def distinct_titles(cases: Iterable[Case]) -> dict[Identity, str]:
    """A short name for each upsampler and options, no two alike."""
    titles: dict[Identity, str] = {}
    for case in cases:
        key = identity(case)
        if key in titles:
            continue
        title = title_of(case.upsampler)
        if case.options:
            title += f" ({', '.join(f'{name}={value}' for name, value in key[1])})"
        taken = set(titles.values())
        forms = [_shorten(title, LONGEST_TITLE), _shorten(title, int(1.6 * LONGEST_TITLE))]
        numbered = (f"{forms[0]} #{number}" for number in count(2))
        titles[key] = next(form for form in chain(forms, numbered) if form not in taken)
    return titles


def _shorten(title: str, longest: int) -> str:
    if len(title) <= longest:
        return title
    half = (longest - 1) // 2
    return f"{title[:half]}…{title[-half:]}"
