"""`dybench run`: measure upsamplers over a grid, print a table, save a report."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dybench import parsing
from dybench.commands.options import Upsamplers  # noqa: TC001 - Typer reads the annotations
from dybench.commands.output import command_line
from dybench.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from dybench.case import Case
    from dybench.conditions import Settings
    from dybench.measure.latency import Pace
    from dybench.result import Report

RESULTS = Path("results")
QUICK = {
    "budget_s": 0.2,
    "block_s": 0.01,
    "rounds": 15,
    "min_rounds": 3,
    "between": 8,
    "warmup_s": 0.06,
}


def run(
    upsampler: Upsamplers = None,
    channels: Annotated[str, typer.Option(metavar="C,…", help="Channels of the map.")] = "256",
    size: Annotated[
        str, typer.Option(metavar="HxW,…", help="Low-resolution height and width.")
    ] = "120x120",
    scale: Annotated[str, typer.Option(metavar="S,…", help="Upsampling factors.")] = "2",
    batch: Annotated[str, typer.Option(metavar="N,…", help="Batch sizes.")] = "1",
    dtype: Annotated[
        str, typer.Option(metavar="TYPE,…", help=", ".join(parsing.DTYPES))
    ] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    layout: Annotated[
        str, typer.Option(metavar="LAYOUT,…", help=", ".join(parsing.LAYOUTS))
    ] = "contiguous",
    mode: Annotated[
        str,
        typer.Option(metavar="MODE,…", help="inference, or training: forward plus backward."),
    ] = "inference",
    runtime: Annotated[
        str, typer.Option(metavar="RUNTIME,…", help=", ".join(parsing.RUNTIMES))
    ] = "eager",
    guide_channels: Annotated[
        int | None,
        typer.Option(min=1, help="Channels of the guide that guided upsamplers get [default: C]."),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="The upsampler that latency ratios are relative to.")
    ] = "bilinear",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds: a first look.")] = False,
    budget: Annotated[
        float | None,
        typer.Option(min=0.01, help="Seconds of timing for each upsampler of a grid cell."),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Most rounds of a cell.")] = None,
    offset_std: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Spread of DySample's offsets in low-resolution pixels; fresh weights give "
            "almost 0, which flatters the cache.",
        ),
    ] = 0.5,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Threads of an operator [default: torch's choice]."),
    ] = None,
    allocator: Annotated[
        str,
        typer.Option(
            metavar="keep|system",
            help="keep freed memory for the run, or leave the system's behaviour.",
        ),
    ] = "keep",
    flush_l2: Annotated[
        bool, typer.Option("--flush-l2", help="CUDA: empty the L2 cache before each call.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Give an upsampler up when a call takes longer, in s.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of inputs, weights and order.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Report to write [default: new in results/]."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report instead of a table.")] = (
        False
    ),
) -> None:
    """Measure upsamplers over the full product of the lists, print a table, save a report.

    Upsamplers of one grid cell are timed in alternating rounds, so the ratios between them hold
    on a noisy machine. Exit codes: 0 fine, 1 one of them failed, 2 wrong usage, 130 interrupted.
    """
    grid = {
        "channels": parsing.positives("--channels", channels),
        "sizes": parsing.sizes("--size", size),
        "scales": parsing.positives("--scale", scale),
        "batches": parsing.positives("--batch", batch),
        "dtypes": parsing.choices("--dtype", dtype, parsing.DTYPES),
        "layouts": parsing.choices("--layout", layout, parsing.LAYOUTS),
        "modes": parsing.choices("--mode", mode, parsing.MODES),
        "runtimes": parsing.choices("--runtime", runtime, parsing.RUNTIMES),
    }
    names = parsing.names("--upsampler", upsampler) if upsampler else None
    (memory_allocator,) = parsing.choices("--allocator", allocator, ("keep", "system"))

    from dybench.conditions import Settings
    from dybench.machine import busy_note

    settings = Settings(
        pace=_pace(quick=quick, budget=budget, rounds=rounds, timeout=timeout),
        reference=reference,
        seed=seed,
        memory_allocator=memory_allocator,  # type: ignore[arg-type]
        offset_std=offset_std,
        threads=threads,
        flush_l2=flush_l2,
    )
    grid |= {"devices": (parsing.device("--device", device),)}
    with redirect_stdout(sys.stderr):  # what is imported may print
        cases = _cases(names, reference, grid, guide_channels)
    if busy := busy_note(threads):
        typer.echo(f"dybench: {busy}", err=True)
    report, path = _measure(cases, settings, output or _timestamped())
    _show(report, path, as_json=json)
    bad = [row for row in report.measurements if row.status == "failed"]
    if bad or not any(row.status == "ok" for row in report.measurements):
        worst = (bad or report.measurements)[0]
        typer.echo(f"dybench: {worst.case.upsampler} {worst.status}: {worst.reason}", err=True)
        raise typer.Exit(1)


def _pace(*, quick: bool, budget: float | None, rounds: int | None, timeout: float) -> Pace:
    """How long to measure: a first look or the usual, and what was asked for on top."""
    from dybench.measure.latency import Pace

    fields: dict[str, Any] = dict(QUICK) if quick else {}
    fields |= {"timeout_s": timeout}
    fields |= {"budget_s": budget} if budget is not None else {}
    fields |= {"rounds": rounds, "min_rounds": min(rounds, 5)} if rounds is not None else {}
    return Pace(**fields)


def _cases(
    names: tuple[str, ...] | None,
    reference: str,
    grid: dict[str, tuple[Any, ...]],
    guide_channels: int | None,
) -> list[Case]:
    """The cases to measure, every upsampler found; fails before anything is measured."""
    import msgspec

    from dybench.case import Grid
    from dybench.sources import resolve
    from dysample import UPSAMPLERS

    upsamplers = names or tuple(UPSAMPLERS)
    sources = {name: resolve(name) for name in upsamplers}
    if resolve(reference).guided:
        raise UsageError(f"`--reference` (={reference!r}) must be an upsampler without a guide")
    whole = Grid(upsamplers=upsamplers, **grid)
    cases = []
    for cell in whole.cells():
        for case in whole.cases(cell):
            options = {"guide_channels": guide_channels} if guide_channels is not None else {}
            if sources[case.upsampler].guided and options:
                case = msgspec.structs.replace(case, options=options)  # noqa: PLW2901
            cases.append(case)
    return cases


def _timestamped() -> Path:
    """A path in results/ that no run has used yet."""
    stem = f"run-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    candidates = [RESULTS / f"{stem}{suffix}.json" for suffix in ("", *map(str, range(2, 100)))]
    return next((path for path in candidates if not path.exists()), candidates[-1])


def _measure(cases: list[Case], settings: Settings, path: Path) -> tuple[Report, Path]:
    from dybench.commands.progress import progress
    from dybench.result import Report
    from dybench.runner import run as measure

    command = command_line()
    Report(created=datetime.now().astimezone().isoformat(), command=command).save_new(path)
    latest: list[Report] = []

    def save(report: Report) -> None:
        report.save_over(path)
        latest[:] = [report]

    try:
        with progress() as watch, redirect_stdout(sys.stderr):  # upsamplers may print
            return measure(cases, settings, command=command, save=save, watch=watch), path
    except KeyboardInterrupt:
        done = len(latest[0].measurements) if latest else 0
        kept = f"{done} of {len(cases)} rows are kept in {path}" if done else "nothing was measured"
        raise InterruptedRunError(f"interrupted; {kept}") from None
    finally:
        if not latest or not latest[0].measurements:
            path.unlink(missing_ok=True)  # it only held the name


def _show(report: Report, path: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(report.to_json().decode())
    else:
        from dybench.commands.output import deliver
        from dybench.views.console import printed
        from dybench.views.terminal import render

        deliver(printed(lambda console: render(report, console)), None)
    typer.echo(f"report: {path}", err=True)
