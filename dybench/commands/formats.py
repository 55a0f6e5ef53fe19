"""Which format a result is written in: the one asked for, or that of the file's suffix."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from dybench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

Format = TypeVar("Format", bound=Enum)

_SUFFIXES = {
    "rich": ".txt",
    "markdown": ".md",
    "latex": ".tex",
    "csv": ".csv",
    "html": ".html",
    "json": ".json",
}


def choose_format(
    formats: type[Format], asked: Format | None, *, as_json: bool, output: Path | None = None
) -> Format:
    """The format of `formats` to write: what was asked for, that of `output`, or "rich".

    Raises:
        UsageError: if --json contradicts --format, or no format goes with the file's suffix.
    """
    if as_json:
        if asked is not None and asked.value != "json":
            raise UsageError(f"--json and `--format` (={asked.value!r}) exclude each other")
        return formats("json")
    if asked is not None:
        return asked
    if output is None:
        return formats("rich")
    known = {_SUFFIXES[each.value]: each for each in formats}
    if output.suffix.lower() not in known:
        raise UsageError(
            f"`-o` (={str(output)!r}) must end in one of {', '.join(known)}, "
            "or --format say the format"
        )
    return known[output.suffix.lower()]
