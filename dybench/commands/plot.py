"""`dybench plot`: a figure of one or several saved reports."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.result import Report
    from dybench.views.figure.caption import Drawing

KINDS = ("complexity", "scaling", "bars")
RESULTS = Path("results")


def plot(
    reports: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[REPORT]...", help="Default: the newest in results/."),
    ] = None,
    kind: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = "complexity",
    x: Annotated[
        str | None,
        typer.Option(
            help="params, flops, memory or latency; for scaling pixels or channels; "
            "for bars the only metric to draw."
        ),
    ] = None,
    y: Annotated[
        str | None,
        typer.Option(help="A metric, or miou (as published) for complexity."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="The metric of the bubbles' area, for complexity; default flops."),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            help="Grid cells to draw, such as channels=128,size=64x64,dtype=float16; "
            "upsampler=NAME,NAME draws these alone."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="FILE.png, .svg or .pdf. Default: beside the first report."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Draw saved reports: the paper's Figure 1 redrawn, scaling, or bars. Never measures."""
    from dybench.errors import ReportError
    from dybench.files import create_new, replace
    from dybench.reports import newest_report
    from dybench.result import load

    _check_options(kind, y, size, output)
    paths = reports or [newest_report(RESULTS)]
    target = output or paths[0].with_name(f"{paths[0].stem}-{kind}.png")
    if target.is_dir():
        raise ReportError(f"{target} is a folder: name a file in it")
    if target.exists() and not force:
        raise ReportError(f"{target} exists already: name another with -o, or add --force")
    drawing = _draw(kind, [load(path) for path in paths], x, y, size, cell)

    from dybench.views.figure.style import render

    content = render(drawing.figure, target.suffix.lower())
    (replace if force else create_new)(target, content)
    for note in drawing.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(str(target))


def _check_options(kind: str, y: str | None, size: str | None, output: Path | None) -> None:
    """Refuse what makes no sense before anything is read or drawn."""
    from dybench.errors import UsageError

    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(KINDS)}"
        raise UsageError(f"`--kind` (={kind!r}) is no kind of figure: {hint}")
    if kind != "complexity" and size is not None:
        raise UsageError(f"`--size` (={size!r}) is for `--kind complexity` only")
    if kind == "bars" and y is not None:
        raise UsageError(f"`--y` (={y!r}) is not for `--kind bars`: name its metric with `--x`")
    if output is not None and output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"`--output` (={str(output)!r}) must end in .png, .svg or .pdf")


def _draw(
    kind: str,
    reports: Sequence[Report],
    x: str | None,
    y: str | None,
    size: str | None,
    cell: str | None,
) -> Drawing:
    from dybench.views.figure.select import parse_filter

    wanted = parse_filter(cell)
    if kind == "scaling":
        from dybench.views.figure.scaling import draw_scaling

        return draw_scaling(reports, x, y, wanted)
    if kind == "bars":
        from dybench.views.figure.bars import draw_bars

        return draw_bars(reports, x, wanted)
    from dybench.views.figure.complexity import draw_complexity

    return draw_complexity(reports, x or "latency", y, size or "flops", wanted)
