"""Handing over a result: to stdout, or to a file that is not overwritten unasked."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from dybench.errors import ReportError
from dybench.files import create_new, replace

if TYPE_CHECKING:
    from pathlib import Path

_PLAINER = str.maketrans("×–−±µ★◆†…→─✓≈≠²⁰¹²³⁴⁵⁶⁷⁸⁹", "x--~u#@!.>-v~!20123456789")


def command_line() -> str:
    """The command as it was typed, for reports; file names that are no text are made some."""
    return shlex.join(["dybench", *sys.argv[1:]]).encode(errors="replace").decode()


def deliver(text: str, output: Path | None, *, force: bool = False) -> None:
    """Print `text`, or write it to the file `output` and say so on stderr.

    Raises:
        ReportError: if the file exists and `force` is not set, or cannot be written.
    """
    if output is None:
        sys.stdout.write(_encodable(text))
        return
    refuse_existing(output, force=force)
    write = replace if force else create_new
    write(output, text.encode())
    print(f"wrote {output}", file=sys.stderr)  # noqa: T201


def refuse_existing(output: Path | None, *, force: bool) -> None:
    """Raise a ReportError if the file exists and `force` is not set; best before measuring."""
    if output is not None and output.exists() and not force:
        raise ReportError(f"{output} exists already; --force replaces it")


def _encodable(text: str) -> str:
    """`text` with plainer signs, of the same width, where stdout's encoding lacks some."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    return text
