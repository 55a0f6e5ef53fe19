"""The console that results are printed to."""

from __future__ import annotations

import os
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

PIPED_WIDTH = 160


def open_console() -> Console:
    """A console on stdout.

    Where that is no terminal and no one set COLUMNS, it is wide enough for everything.
    """
    console = Console(highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=False, width=PIPED_WIDTH)


def printed(show: Callable[[Console], None], *, to_file: bool = False) -> str:
    """What `show` prints: as stdout takes it, or plain as a file does."""
    plain = Console(file=StringIO(), force_terminal=False, highlight=False, width=PIPED_WIDTH)
    console = plain if to_file else open_console()
    with console.capture() as captured:
        show(console)
    text = captured.get()
    if console.is_terminal:
        return text
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
