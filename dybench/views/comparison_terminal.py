"""Two reports beside each other in a terminal: one table a grid cell, its facts said once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from dybench.units import MISSING
from dybench.views.cells import cell_title, label
from dybench.views.comparison import UNCHANGED, change_parts, compose, remarks, summary
from dybench.views.layout import QUIET, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dybench.case import Cell
    from dybench.compare import Comparison, RowComparison

Side = Literal["left", "right"]
_STYLES = {"SLOWER": "bold red", "FASTER": "green", "UNCLEAR": "yellow"}
_GAP, _NAME_WIDTH = 2, 40
_COLUMNS = ("upsampler", "latency\nold", "latency\nnew", "change", "95%", "verdict")
# What is given up for width, least useful first.
_SAVINGS = {"95%": "interval ends", "latency\nold": "latencies", "latency\nnew": "latencies"}


def render(comparison: Comparison, console: Console) -> None:
    """Print the comparison to `console`, in the width it has."""
    console.print(Text(summary(comparison), "bold"))
    references = {row.timing.to for row in comparison.rows if row.timing} - {""}
    reference = references.pop() if len(references) == 1 else ""
    cells: dict[Cell, list[RowComparison]] = {}
    for row in comparison.rows:
        cells.setdefault(row.case.cell, []).append(row)
    tables = {cell: [_figures(row, reference) for row in rows] for cell, rows in cells.items()}
    hidden = _fit(list(tables.values()), console.width)
    for cell, rows in cells.items():
        console.print()
        console.print(Text(cell_title(cell), "bold"))
        console.print(_table(tables[cell], hidden))
        _print_rest(rows, console)
    console.print()
    if reference:
        console.print(Text(f"×: of the latency of {reference} in the same report.", QUIET))
    if hidden:
        lost = ", ".join(dict.fromkeys(_SAVINGS[name] for name in hidden))
        console.print(Text(f"No room for: {lost}.", QUIET))
    for remark in remarks(comparison):
        console.print(Text(remark, QUIET))


def _figures(row: RowComparison, reference: str) -> tuple[str, ...]:
    """A cell for each of `_COLUMNS`; latencies without the name of the one `reference` there is."""
    line = compose(row)
    change, ends = (MISSING, MISSING) if row.timing is None else change_parts(row.timing.ratio)
    old, new = (text.removesuffix(f" {reference}") for text in (line.old, line.new))
    return shorten(label(row.case), _NAME_WIDTH), old, new, change, ends, line.verdict


def _fit(tables: Sequence[list[tuple[str, ...]]], width: int) -> list[str]:
    """The columns to leave out for all tables to fit into `width`."""
    hidden: list[str] = []
    for name in _SAVINGS:
        if max((_width(table, hidden) for table in tables), default=0) <= width:
            break
        hidden.append(name)
    return hidden


def _width(table: list[tuple[str, ...]], hidden: list[str]) -> int:
    columns = zip(*([name.split("\n")[0] for name in _COLUMNS], *table), strict=True)
    shown = [c for name, c in zip(_COLUMNS, columns, strict=True) if name not in hidden]
    return sum(max(map(cell_len, column)) for column in shown) + _GAP * (len(shown) - 1)


def _table(rows: list[tuple[str, ...]], hidden: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for name in _COLUMNS:
        if name not in hidden:
            side: Side = "left" if name in ("upsampler", "verdict") else "right"
            table.add_column(name, justify=side, vertical="bottom", no_wrap=True)
    for row in rows:
        cells = zip(_COLUMNS, row, strict=True)
        table.add_row(*(Text(c, _STYLES.get(c, "")) for name, c in cells if name not in hidden))
    return table


def _print_rest(rows: list[RowComparison], console: Console) -> None:
    """Print the exact figures that changed, and why a row has no latency or no figures."""
    below = Table.grid(padding=(0, _GAP, 0, 0))
    below.add_column(no_wrap=True)
    below.add_column(overflow="fold")
    for row in rows:
        exact = compose(row).exact
        said = ["" if row.timing else row.note, "" if exact in (UNCHANGED, MISSING) else exact]
        if text := "\n".join(filter(None, said)):
            below.add_row(Text(shorten(label(row.case), _NAME_WIDTH)), Text(text))
    if below.row_count:
        console.print(below)
