"""The table in a terminal: one Rich table a grid cell, as much of it as the width has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from dybench.views.cells import PARTIAL_MARK, cell_tables, legend, machine_line
from dybench.views.layout import QUIET, compose, fit, shorten, superscript, widest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from dybench.result import Report
    from dybench.views.cells import CellTable
    from dybench.views.layout import Layout

_BAD = "yellow"


def render(report: Report, console: Console) -> None:
    """Print a report's tables, one a grid cell, to `console`, in the width it has."""
    tables = cell_tables(report)
    layout, lost = fit(tables, console.width)
    console.print(Text(machine_line(report), QUIET))
    for table in tables:
        console.print()
        _print_cell(table, layout, console)
    console.print()
    if not tables:
        console.print("No measurements in this report.")
    _print_marked(_legend(tables, layout), console)
    if lost:
        console.print(Text(f"No room for: {', '.join(lost)}.", QUIET))
    if not report.complete:
        console.print(Text("Incomplete: the run did not finish.", _BAD))


def _legend(tables: list[CellTable], layout: Layout) -> list[tuple[str, str]]:
    timed = any(column.has_intervals for table in tables for column in table.columns)
    shown = {layout.latency, layout.ratio} if timed else set()
    entries = legend(tables)
    if "interval" in shown:
        entries.append(("[ ]", "95% interval"))
    if "spread" in shown:
        entries.append(("±", "how far the 95% interval reaches, rounded up"))
    return entries


def _print_cell(table: CellTable, layout: Layout, console: Console) -> None:
    console.print(Text(table.title, "bold"))
    columns = compose(table, layout)
    if table.rows:
        grid = Table(
            box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, layout.gap - 1, 0, 0)
        )
        for head, _, justify in columns:
            grid.add_column(head, justify=justify, no_wrap=True, vertical="bottom")
        for cells in zip(*(cells for _, cells, _ in columns), strict=True):
            grid.add_row(*cells)
        console.print(grid)
    name_width = widest(columns[0][0], columns[0][1])
    names = [shorten(problem.label, layout.label) for problem in table.problems]
    below = Table.grid(padding=(0, layout.gap, 0, 0))
    below.add_column(min_width=max([name_width, *map(cell_len, names)]), no_wrap=True)
    below.add_column(overflow="fold")
    for name, problem in zip(names, table.problems, strict=True):
        below.add_row(Text(name), Text(f"{problem.status}: ", _BAD).append(problem.reason, ""))
    if table.problems:
        console.print(below)
    _print_footnotes(table, console)


def _print_footnotes(table: CellTable, console: Console) -> None:
    notes = [(superscript(n), note) for n, note in enumerate(table.notes, 1)]
    notes += [(PARTIAL_MARK, f"not counted in {text}") for text in table.uncounted]
    _print_marked(notes, console)


def _print_marked(entries: Iterable[tuple[str, str]], console: Console) -> None:
    """Print what each mark means, wrapped clear of the marks."""
    below = Table.grid(padding=(0, 1, 0, 0))
    below.add_column(no_wrap=True)
    below.add_column(overflow="fold", style=QUIET)
    for mark, meaning in entries:
        below.add_row(Text(mark), Text(meaning))
    if below.row_count:
        console.print(below)
