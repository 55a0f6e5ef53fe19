"""`dybench models`: what replacing the upsampling stages of a known network adds."""

import sys
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dybench.commands.formats import choose_format
from dybench.commands.options import Force, JsonFlag, OutputFile, Upsamplers
from dybench.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dybench.models.hosts import Model
    from dybench.models.rows import Row
    from dybench.sources import Source

QUICK_BUDGET_S, BUDGET_S = 0.3, 1.2


class ModelsFormat(str, Enum):
    """What the table can be written as."""

    RICH = "rich"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    JSON = "json"


def models(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|FILE.toml]...",
            help="Networks, or files that describe some [default: every built-in one].",
            show_default=False,
        ),
    ] = None,
    upsampler: Upsamplers = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE.toml", help="A file with networks of your own."),
    ] = None,
    as_format: Annotated[
        ModelsFormat | None,
        typer.Option(
            "--format", "-f", help="[default: by FILE's suffix, else rich]", show_default=False
        ),
    ] = None,
    json: JsonFlag = False,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Run every stage in sequence: latency and peak memory."),
    ] = False,
    device: Annotated[str, typer.Option(help="For --measure: auto, cpu or cuda:N.")] = "auto",
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="For --measure: seconds for each upsampler of a network "
            f"[default: {BUDGET_S}, {QUICK_BUDGET_S} if quick].",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="For --measure: fewer rounds, a first look.")
    ] = False,
    output: OutputFile = None,
    force: Force = False,
) -> None:
    """Show what each upsampler adds to known networks, beside what its authors printed.

    Parameters and FLOPs are counted; memory is predicted for CUDA, or measured with --measure.
    """
    from dybench import parsing
    from dybench.commands.output import deliver, refuse_existing

    chosen = choose_format(ModelsFormat, as_format, as_json=json, output=output)
    refuse_existing(output, force=force)
    hosts = _hosts(model or [], file or [])
    where = parsing.device("--device", device) if measure else ""
    names = parsing.names("--upsampler", upsampler) if upsampler else None
    seconds = budget or (QUICK_BUDGET_S if quick else BUDGET_S)
    with redirect_stdout(sys.stderr):  # upsamplers may print
        rows, facts = _rows(hosts, _sources(names), where, seconds)
    deliver(_render(hosts, rows, chosen, facts, to_file=output is not None), output, force=force)
    if facts.get("interrupted"):
        raise InterruptedRunError("interrupted; the table holds what was measured by then")
    if not any(row.status == "ok" for row in rows):
        raise typer.Exit(1)


def _hosts(words: list[str], files: list[Path]) -> "list[Model]":
    """The networks to show.

    A file among the words stands for all networks in it, `--file` only offers its own to the
    words; with no words at all they are shown, and without files the built-in ones.
    """
    from dybench.models.hosts import built_in, load_file, select

    shown = _together([Path(word) for word in words if word.endswith(".toml")], load_file)
    offered = _together(files, load_file)
    names = [word for word in words if not word.endswith(".toml")]
    if not names:
        return list((shown or offered or built_in()).values())
    chosen = select(built_in() | offered | shown, names)
    return list(({host.name: host for host in chosen} | shown).values())


def _together(paths: list[Path], load: "Callable[[Path], dict[str, Model]]") -> "dict[str, Model]":
    found: dict[str, Model] = {}
    for path in paths:
        more = load(path)
        for name in found.keys() & more.keys():
            raise UsageError(f"{path}: {name!r} is in another file already")
        found |= more
    return found


def _sources(names: tuple[str, ...] | None) -> "list[Source]":
    from dybench.sources import resolve
    from dysample import UPSAMPLERS

    return [resolve(name) for name in names or tuple(UPSAMPLERS)]


def _rows(
    hosts: "list[Model]", sources: "list[Source]", device: str, budget_s: float
) -> "tuple[list[Row], dict[str, Any]]":
    """Count, and measure on `device` unless it is empty; what was measured, on what machine."""
    from dybench.models.rows import counted_rows

    rows = list(counted_rows(hosts, sources))
    if not device:
        return rows, {}

    from dybench.models.session import measure_rows

    return rows, measure_rows(hosts, rows, sources, device, budget_s)


def _render(
    hosts: "list[Model]",
    rows: "list[Row]",
    chosen: ModelsFormat,
    facts: dict[str, Any],
    *,
    to_file: bool,
) -> str:
    from dybench.models import formats

    if chosen is ModelsFormat.JSON:
        return formats.to_json(rows, facts)
    if chosen is ModelsFormat.CSV:
        return formats.to_csv(rows)
    if chosen is ModelsFormat.MARKDOWN:
        return formats.to_markdown(hosts, rows)
    if chosen is ModelsFormat.LATEX:
        return formats.to_latex(hosts, rows)

    from dybench.views.console import printed

    return printed(lambda console: formats.print_rich(hosts, rows, console), to_file=to_file)
