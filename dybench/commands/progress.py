"""The progress line of a run, on stderr; where stderr is no terminal, a line a grid cell."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dybench.case import Cell
    from dybench.runner import Progress as Whereabouts


@contextmanager
def progress() -> Iterator[Callable[[Whereabouts], None]]:
    """Show what a run is doing while the block lasts."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines().show
        return
    columns = (
        TextColumn("{task.fields[cell]}", style="bold"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=1.0, cell="", left="")

        def show(now: Whereabouts) -> None:
            bars.update(
                task,
                completed=now.done,
                description=now.doing,
                cell=f"{now.cell_number}/{now.cells} {_title(now.cell)}",
                left=_left(now.seconds_left),
            )

        yield show


class _Lines:
    """One line when a cell begins: fit for a log."""

    def __init__(self) -> None:
        self._cell_number = 0

    def show(self, now: Whereabouts) -> None:
        if now.cell_number == self._cell_number:
            return
        self._cell_number = now.cell_number
        left = f", {_left(now.seconds_left)}" if now.seconds_left else ""
        line = f"cell {now.cell_number} of {now.cells}: {_title(now.cell)}{left}"
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _title(cell: Cell) -> str:
    return f"{cell.channels}×{cell.height}×{cell.width} ×{cell.scale}"


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
