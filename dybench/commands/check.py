"""`dybench check`: the gate for CI. It fails on what got worse and stays quiet on noise."""

import os
import sys
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dybench import parsing
from dybench.commands.output import command_line, deliver, refuse_existing
from dybench.errors import ReportError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.baseline import Measured
    from dybench.case import Case
    from dybench.checking import Gate
    from dybench.duel import Bout
    from dybench.gate import Finding
    from dybench.gate import Only as OnlyGates
    from dybench.result import Report
    from dybench.settings import CheckSettings


AXES = ("upsamplers", "channels", "sizes", "scales")  # that options narrow


class Only(str, Enum):
    """One half of the gates."""

    EXACT = "exact"
    LATENCY = "latency"


class Dashboard(str, Enum):
    """What an export can be read by."""

    GITHUB = "github"
    BENCHER = "bencher"
    PYTEST_BENCHMARK = "pytest-benchmark"


def check(
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Stored report to hold the code to."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REV", help="Revision to measure beside, in the same run."
        ),
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option("--update-baseline", help="Accept what is: show the diff, write FILE."),
    ] = False,
    strict: Annotated[
        bool | None,
        typer.Option("--strict/--lenient", help="Exit with 4 if something stays unclear."),
    ] = None,
    only: Annotated[
        Only | None, typer.Option("--only", help="exact: no timing. latency: nothing else.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="As 90s or 10m [default: 10m].")
    ] = None,
    slower_than: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Slowdown that fails [default: 4%; at least 20% against a stored report].",
        ),
    ] = None,
    upsampler: Annotated[
        list[str] | None,
        typer.Option(
            "-u",
            "--upsampler",
            metavar="NAME,…",
            help="Only these [default: those of the baseline, or of [tool.dybench]].",
        ),
    ] = None,
    channels: Annotated[str | None, typer.Option(metavar="C,…", help="Channels.")] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW,…", help="Low-resolution sizes.")] = None,
    scale: Annotated[str | None, typer.Option(metavar="S,…", help="Upsampling factors.")] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Threads of an operator [default: 1 with --against]."),
    ] = None,
    export: Annotated[
        tuple[Dashboard, Path] | None,
        typer.Option(
            "--export", metavar="FORMAT FILE", help="Write github, bencher or pytest-benchmark."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the exported FILE if it exists.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print findings and verdicts as JSON.")] = (
        False
    ),
) -> None:
    """Fail if an upsampler got slower, fatter or wrong; name it, in one line each.

    Defaults and cases come from [tool.dybench] of pyproject.toml. Exit codes: 0 nothing got worse,
    1 could not check, 2 wrong usage, 3 a regression, 4 inconclusive (with --strict).
    """
    from functools import partial

    from dybench.checking import Gate
    from dybench.settings import load_settings, percentage, seconds

    settings = load_settings(Path.cwd())
    changes: dict[str, Any] = {
        "baseline": str(baseline) if baseline else None,
        "against": against,
        "budget": budget,
        "slower_than": slower_than,
        "strict": strict,
        "threads": threads,
        "upsamplers": list(parsing.names("--upsampler", upsampler)) if upsampler else None,
        "channels": parsing.positives("--channels", channels) if channels else None,
        "sizes": size.split(",") if size else None,
        "scales": parsing.positives("--scale", scale) if scale else None,
    }
    settings = _override(settings, changes)
    if export:
        _check_export(export[1], settings, update=update_baseline, force=force)
    seconds("--budget" if budget else "budget", settings.budget)
    percentage("--slower-than" if slower_than else "slower-than", settings.slower_than)
    gates: OnlyGates | None = None
    if only is not None:
        gates = "exact" if only is Only.EXACT else "latency"
    gate = Gate(
        settings,
        gates,
        narrowed=[name for name in AXES if changes[name] is not None],
        measure=partial(_measure, settings, gates),
        fight=partial(_fight, settings),
        command=command_line(),
    )
    if update_baseline:
        if json:
            raise UsageError("--json goes with a check: --update-baseline finds nothing")
        _update(gate)
        return
    findings = gate.run()
    code = _conclude(findings, gate, strict=settings.strict, as_json=json)
    if export and gate.report is not None and not _exported(gate.report, *export, force=force):
        code = code or 1  # a regression stays the worse news
    raise typer.Exit(code)


def _override(settings: "CheckSettings", changes: dict[str, Any]) -> "CheckSettings":
    """The settings of the file under those of the command line, which drop its list of cases."""
    import msgspec

    given = {name: value for name, value in changes.items() if value is not None}
    if given.keys() & set(AXES):
        given["cases"] = []
    return msgspec.structs.replace(settings, **given)


def _measure(
    settings: "CheckSettings", only: str | None, cases: "Sequence[Case]", old: "Report | None"
) -> "Measured":
    """Measure in this process, as the stored report was measured."""
    from dybench.commands.progress import progress
    from dybench.remeasure import measure, settings_like
    from dybench.settings import seconds

    how = settings_like(
        old,
        cases=len(cases),
        budget_s=seconds("--budget", settings.budget),
        threads=settings.threads,
        timed=only != "exact",
    )
    with progress() as watch, redirect_stdout(sys.stderr):  # upsamplers may print
        return measure(cases, how, command=command_line(), watch=watch)


def _fight(settings: "CheckSettings", cases: "Sequence[Case]", *, timed: bool) -> "list[Bout]":
    """Measure both revisions in alternating processes."""
    from dybench.against import fight

    return fight(Path.cwd(), settings, cases, timed=timed, tell=_say)


def _update(gate: "Gate") -> None:
    from dybench.views.comparison_terminal import render
    from dybench.views.console import printed
    from dybench.views.findings import line

    update = gate.update()
    if update.comparison is not None:
        compared = update.comparison
        deliver(printed(lambda console: render(compared, console)), None)
    for finding in update.outputs:
        typer.echo(f"ACCEPTED  {line(finding).partition('  ')[2]}")
    for row in update.skipped:
        _say(f"{row.case.upsampler} {row.status}: {row.reason}")
    _say(f"wrote {update.path}: {update.cases} {'case' if update.cases == 1 else 'cases'}")


def _say(text: str) -> None:
    print(f"dybench: {text}", file=sys.stderr, flush=True)  # noqa: T201


def _check_export(path: Path, settings: "CheckSettings", *, update: bool, force: bool) -> None:
    """Refuse a file that must not be written, before anything is measured."""
    if update:
        raise UsageError("--export goes with a check: --update-baseline writes the baseline alone")
    if settings.baseline and path.resolve() == Path(settings.baseline).resolve():
        raise UsageError(f"--export would replace the baseline {path}: name another file")
    refuse_existing(path, force=force)


def _exported(report: "Report", dashboard: Dashboard, path: Path, *, force: bool) -> bool:
    """Write the export; say so and return False where that is not possible."""
    try:
        deliver(_renderer(dashboard)(report), path, force=force)
    except ReportError as error:
        _say(str(error))
        return False
    return True


def _renderer(dashboard: Dashboard) -> "Callable[[Report], str]":
    if dashboard is Dashboard.GITHUB:
        from dybench.views import github

        return github.render
    if dashboard is Dashboard.BENCHER:
        from dybench.views import bencher

        return bencher.render
    from dybench.views import pytest_benchmark

    return pytest_benchmark.render


def _conclude(findings: "list[Finding]", gate: "Gate", *, strict: bool, as_json: bool) -> int:
    """Print what was found, tell GitHub Actions, and return the exit code."""
    from dybench.gate import exit_code, in_order
    from dybench.views import findings as view

    said, cases = in_order(findings), gate.cases
    code = exit_code(said, strict=strict)
    if as_json:
        sys.stdout.write(view.render_json(said, gate.bouts, cases=cases, code=code))
    else:
        for finding in said:
            typer.echo(view.line(finding))
        typer.echo(view.summary(said, cases))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for command in view.workflow_commands(said):
            typer.echo(command, err=as_json)
        if path := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(view.step_summary(said, cases))
    return code
