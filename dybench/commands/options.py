"""Options that several commands have, with the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Upsamplers = Annotated[
    list[str] | None,
    typer.Option(
        "-u",
        "--upsampler",
        metavar="NAME,…",
        help="Names of `dybench list`, pkg.module:Class or file.py:Class; all built-in ones "
        "if not given. May be repeated.",
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to FILE, not to stdout."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
