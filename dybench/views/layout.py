"""Fitting a table into a terminal: what is given up first when there is no room for all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.text import Text

from dybench.units import MISSING
from dybench.views.cells import BEST_MARK, FRONT_MARKS, GUIDE_MARK, PARTIAL_MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.views.cells import CellTable, Row
    from dybench.views.columns import Column, Value

Interval = Literal["interval", "spread", ""]
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
GOOD, QUIET = "bold green", "dim"


@dataclass(frozen=True)
class Layout:
    """What of the tables is shown, and how tightly."""

    hidden: frozenset[str] = frozenset()
    latency: Interval = "interval"
    ratio: Interval = "interval"
    long_names: bool = True
    gap: int = 2
    label: int = 40

    def hide(self, key: str) -> Layout:
        """The same without the column `key`."""
        return replace(self, hidden=self.hidden | {key})

    def interval(self, column: Column) -> Interval:
        """How the intervals of a column are shown."""
        if not column.has_intervals:
            return ""
        return self.latency if column.key == "latency" else self.ratio


# What is given up for width, least useful first, and what to say of it ("" for no loss).
_SAVINGS: tuple[tuple[str, Callable[[Layout], Layout]], ...] = (
    ("", lambda now: replace(now, label=24)),
    ("mIoU", lambda now: now.hide("miou")),
    ("interval ends", lambda now: replace(now, ratio="spread")),
    ("interval ends", lambda now: replace(now, latency="spread")),
    ("weights-only params", lambda now: now.hide("weights")),
    ("kernels alone", lambda now: now.hide("kernels")),
    ("CUDA peak", lambda now: now.hide("predicted")),
    ("", lambda now: replace(now, long_names=False)),
    ("", lambda now: replace(now, gap=1)),
    ("± of ratio", lambda now: replace(now, ratio="")),
    ("± of latency", lambda now: replace(now, latency="")),
    ("", lambda now: replace(now, label=16)),
    ("FLOPs", lambda now: now.hide("flops")),
    ("memory", lambda now: now.hide("memory")),
    ("params", lambda now: now.hide("params")),
    ("ratio", lambda now: now.hide("ratio")),
)


def fit(tables: Sequence[CellTable], width: int) -> tuple[Layout, list[str]]:
    """The fullest layout in which every table fits `width`, and what it leaves out."""
    layout = Layout()
    needed = [_width(table, layout) for table in tables]
    lost: list[str] = []
    for name, save in _SAVINGS:
        if max(needed, default=0) <= width:
            break
        saved = save(layout)
        narrower = [_width(table, saved) for table in tables]
        if narrower != needed:
            layout, needed = saved, narrower
            lost.append(name)
    return layout, [name for name in dict.fromkeys(lost) if name]


def _width(table: CellTable, layout: Layout) -> int:
    """Columns of the terminal that the table needs."""
    columns = compose(table, layout)
    return sum(widest(head, cells) for head, cells, _ in columns) + layout.gap * (len(columns) - 1)


def widest(head: str, cells: list[Text]) -> int:
    """The terminal columns that a table's column needs."""
    return max(cell_len(line) for line in [*head.split("\n"), *(cell.plain for cell in cells)])


_Cells = tuple[str, list[Text], Literal["left", "right"]]


def compose(table: CellTable, layout: Layout) -> list[_Cells]:
    """The header, the cells and the side they lean to, of each column shown."""
    columns: list[_Cells] = [("upsampler", [_label(row, layout) for row in table.rows], "left")]
    for i, column in enumerate(table.columns):
        if column.key not in layout.hidden:
            values = [row.values[i] for row in table.rows]
            interval = layout.interval(column)
            columns.append((_head(column, interval, layout), _cells(values, interval), "right"))
    return columns


def _head(column: Column, interval: Interval, layout: Layout) -> str:
    name = column.name if layout.long_names else column.name.removeprefix("peak ")
    unit = f"{column.unit} [95%]".strip() if interval == "interval" else column.unit
    return "\n".join(line for line in (name, column.detail, unit) if line)


def _cells(values: list[Value], interval: Interval) -> list[Text]:
    """The figures of a column, each part aligned with the same part of the others."""
    marks = [_mark(value) for value in values]
    extras = [_extra(value, interval) for value in values]
    mark_width, extra_width = max(map(len, marks), default=0), max(map(len, extras), default=0)
    cells = []
    for value, mark, extra in zip(values, marks, extras, strict=True):
        style = GOOD if value.best else QUIET if value.text == MISSING else ""
        cell = Text().append(value.text + mark.ljust(mark_width), style)
        if extra_width:
            cell.append(" " + extra.ljust(extra_width), QUIET)
        cells.append(cell)
    return cells


def _mark(value: Value) -> str:
    return (BEST_MARK if value.best else "") + (PARTIAL_MARK if value.partial else "")


def _extra(value: Value, interval: Interval) -> str:
    if interval == "interval" and value.interval:
        return f"[{value.interval}]"
    return value.spread if interval == "spread" else ""


def _label(row: Row, layout: Layout) -> Text:
    marks = [GUIDE_MARK] if row.guided else []
    marks += [FRONT_MARKS[row.front]] if row.front else []
    text = Text(shorten(row.label, layout.label), "bold" if row.front else "")
    text.append("·".join(superscript(number) for number in row.notes))
    return text.append("".join(f" {mark}" for mark in marks))


def superscript(number: int) -> str:
    """The number of a footnote."""
    return str(number).translate(_SUPERSCRIPTS)


def shorten(name: str, width: int) -> str:
    """The end of a name that is too long, for there a class's name is; options go first."""
    if len(name) <= width:
        return name
    options = name.find(" ", name.rfind(":") + 1)  # a file's path may have spaces too
    first = name if options < 0 else name[:options]
    return name[: width - 1] + "…" if len(first) < width else "…" + first[1 - width :]
