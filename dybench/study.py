"""How well `dybench check --against` does: `python -m dybench.study`, re-runnable and resumable.

In a temporary clone of the repository, head is base again (how often does it cry wolf?), or base
with a slowdown of known size in DySample (how often does it see it?), on an idle machine and
beside a busy process; and base with one allocation, convolution or product more. Each trial is
saved when it is done, and trials that are in the file already are not repeated.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from dybench import planting
from dybench.compare import compare_reports
from dybench.errors import DybenchError, UsageError
from dybench.files import replace
from dybench.result import Report
from dybench.result import load as load_report
from dybench.statistics import Interval
from dybench.views.study import render
from dybench.worktree import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Condition = Literal["idle", "busy"]
CONDITIONS: tuple[Condition, ...] = ("idle", "busy")
SLOWDOWNS = (0.05, 0.10, 0.20)
UPSAMPLER, CHANNELS, SIDE = "dysample", 64, 32
BUDGET = "40s"
SCHEMA = "dybench-study/1"


class Setting(msgspec.Struct, frozen=True, order=True):
    """What a trial is of; `number` tells repetitions apart."""

    condition: Condition
    kind: Literal["same", "slower", "allocation", "convolution", "product"]
    slowdown: float
    number: int


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One check and what came of it. `planted` is the slowdown as calibrated."""

    setting: Setting
    planted: float
    exit_code: int
    seconds: float
    regressions: int
    exact_regressions: int
    verdict: str = ""
    ratio: Interval | None = None
    control: Interval | None = None
    scatter: float | None = None
    processes: int = 0


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """The default run, twice: how far the relative latencies of its rows lie apart."""

    rows: int
    median: float
    largest: float
    seconds: float


class Study(msgspec.Struct, kw_only=True):
    """All trials so far."""

    schema: str = SCHEMA
    upsampler: str = UPSAMPLER
    channels: int = CHANNELS
    side: int = SIDE
    machine: dict[str, Any] = {}
    trials: list[Trial] = []
    repeat: Repeat | None = None


class _Head(msgspec.Struct):
    """What tells a study from other JSON."""

    schema: str


def settings(trials: int) -> Iterator[Setting]:
    """The whole study, in an order that leaves a part of it useful."""
    for condition in CONDITIONS:
        for kind in planting.EXACT:
            yield Setting(condition, kind, 0.0, 0)  # type: ignore[arg-type]
        for number in range(trials):
            yield Setting(condition, "same", 0.0, number)
            for slowdown in SLOWDOWNS:
                yield Setting(condition, "slower", slowdown, number)


def main(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE")] = Path(
        "results/check-study.json"
    ),
    trials: Annotated[int, typer.Option(min=1, help="Repetitions of each setting.")] = 20,
    limit: Annotated[int | None, typer.Option(min=0, help="Stop after so many trials.")] = None,
    only: Annotated[str | None, typer.Option(metavar="idle|busy", help="One condition.")] = None,
) -> None:
    """Run what is missing of the study, save each trial, and write the table beside FILE."""
    if only not in (None, *CONDITIONS):
        raise UsageError(f"`--only` (={only!r}) must be one of {', '.join(CONDITIONS)}")
    study = load(output)
    done = {trial.setting for trial in study.trials}
    missing = [
        setting
        for setting in settings(trials)
        if setting not in done and only in (None, setting.condition)
    ]
    with tempfile.TemporaryDirectory(prefix="dybench-study-") as folder:
        clone = Path(folder) / "clone"
        base = planting.clone(root_of(Path.cwd()), clone)
        work = _calibrated() if missing[:limit] else {}
        for setting in missing[:limit]:
            _tell(f"{setting.condition}, {setting.kind} {setting.slowdown:.0%}, {setting.number}")
            study.trials.append(_run(setting, clone, base, work))
            save(study, output)
        if study.repeat is None and limit is None:
            _tell("the default run, twice")
            study.repeat = _repeat(clone, base)
    save(study, output)
    typer.echo(render(study))


def load(path: Path) -> Study:
    """The study so far; a new one where there is no file.

    Raises:
        DybenchError: if the file, or the table that would stand beside it, is of something else.
    """
    from dybench import machine

    if not path.exists():
        if (table := path.with_suffix(".md")).exists():
            raise DybenchError(f"{table} exists, and {path} does not: name another file")
        return Study(machine=machine.describe())
    try:
        content = path.read_bytes()
        if msgspec.json.decode(content, type=_Head).schema == SCHEMA:
            return msgspec.json.decode(content, type=Study)
    except (OSError, msgspec.MsgspecError) as error:
        raise DybenchError(f"{path} is no study: {error}") from error
    raise DybenchError(f"{path} is no study: its schema is not {SCHEMA!r}")


def save(study: Study, path: Path) -> None:
    """Write the trials, and the table beside them."""
    text = msgspec.json.format(msgspec.json.encode(study), indent=1) + b"\n"
    replace(path, text)
    replace(path.with_suffix(".md"), render(study).encode())


def _calibrated() -> dict[float, tuple[int, float]]:
    found = {share: planting.calibrate(CHANNELS, SIDE, share) for share in SLOWDOWNS}
    for share, (work, measured) in found.items():
        _tell(f"{share:.0%} is planted as {work} values, {measured:.1%} of a call's time")
    return found


def _run(setting: Setting, clone: Path, base: str, work: dict[float, tuple[int, float]]) -> Trial:
    planted = 0.0
    if setting.kind == "same":
        text = ""
    elif setting.kind == "slower":
        values, planted = work[setting.slowdown]
        text = planting.slowdown(values)
    else:
        text = planting.exact(setting.kind)
    planting.plant(clone, base, text)
    busy = planting.neighbour() if setting.condition == "busy" else None
    try:
        return _check(setting, clone, base, planted)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()


def _check(setting: Setting, clone: Path, base: str, planted: float) -> Trial:
    """Run the command as CI would, from the clone's own code."""
    words = ["check", "--against", base, "-u", UPSAMPLER, "--channels", str(CHANNELS)]
    words += ["--size", str(SIDE), "--budget", BUDGET, "--json"]
    if setting.kind == "slower":
        words += ["--only", "latency"]  # the planted work is an operator more, which is exact
    elif setting.kind != "same":
        words += ["--only", "exact"]
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
        [sys.executable, "-m", "dybench", *words],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode not in (0, 3, 4):
        raise DybenchError(f"check failed: {done.stderr.strip().splitlines()[-1:]}")
    document = json.loads(done.stdout)
    worse = [f["metric"] for f in document["findings"] if f["severity"] == "regression"]
    trial = Trial(
        setting=setting,
        planted=planted,
        exit_code=done.returncode,
        seconds=seconds,
        regressions=len(worse),
        exact_regressions=sum(metric != "latency_s" for metric in worse),
    )
    for entry in document["judgements"]:
        judged = entry["judgement"]
        trial = msgspec.structs.replace(
            trial,
            verdict=judged["verdict"],
            ratio=msgspec.convert(judged["ratio"], Interval),
            control=msgspec.convert(judged["control"], Interval),
            scatter=judged["scatter"],
            processes=entry["processes"],
        )
    return trial


def _repeat(clone: Path, base: str) -> Repeat:
    planting.plant(clone, base, "")
    started = time.monotonic()
    reports = []
    for name in ("first.json", "second.json"):
        words = ["run", "--channels", "256", "--scale", "2", "-o", name]
        subprocess.run(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-m", "dybench", *words], cwd=clone, capture_output=True, check=True
        )
        reports.append(load_report(clone / name))
    first, second = reports
    return repeat_of(first, second, seconds=time.monotonic() - started)


def repeat_of(first: Report, second: Report, seconds: float) -> Repeat:
    """How far the relative latencies of two runs lie apart; the reference's own row is left out."""
    comparison = compare_reports(first, second)
    apart = [abs(row.relative.ratio.estimate - 1) for row in comparison.rows if row.relative]
    if not apart:
        raise DybenchError("the two runs have no relative latency in common")
    return Repeat(rows=len(apart), median=median(apart), largest=max(apart), seconds=seconds)


def _tell(text: str) -> None:
    typer.echo(f"study: {text}", err=True)


if __name__ == "__main__":
    try:
        typer.run(main)
    except DybenchError as error:
        _tell(str(error))
        sys.exit(error.exit_code)
