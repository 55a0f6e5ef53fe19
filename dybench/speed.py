"""DySample and CARAFE against the usual formulations, side by side: `python -m dybench.speed`.

The yardsticks stand in `dybench.reference`. Everything of a scene is timed in one contest, each
ratio is taken round by round, and a target that is missed is printed like one that is met.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import torch
import typer

from dybench import files, machine, parsing
from dybench.commands.output import deliver, refuse_existing
from dybench.errors import DybenchError, UsageError
from dybench.measure import allocator, launches, memory
from dybench.measure.latency import Contestant, Pace, contest, relative, summarise
from dybench.measure.timer import for_device
from dybench.scenes import (
    COPY,
    DEVICE_COPY,
    DEVICE_COPY_BYTES,
    PAIRS,
    REFERENCE,
    REPLAYED,
    calls_of,
    scenes_on,
    target,
)
from dybench.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from dybench.measure.timer import Call
    from dybench.scenes import Scene

SCHEMA = "dybench.speed/1"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One ratio of a scene, its 95 % interval, and the ratio it must not exceed, if any."""

    scene: str
    ours: str
    against: str
    ratio: float
    low: float
    high: float
    target: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met: by the whole interval, by none of it, or cannot be said."""
        if self.target is None:
            return ""
        if self.high <= self.target:
            return "met"
        return "missed" if self.low > self.target else "unclear"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one scene.

    Attributes:
        rows: ours against the yardsticks.
        seconds: every contestant's median.
        memory_overhead: peak memory above input and output, as a share of the output.
        bandwidth: of ours and bilinear, the rate at which input and output, once each, were
            moved, as a share of the rate of a copy.
    """

    scene: str
    rows: list[Row]
    seconds: dict[str, float]
    memory_overhead: dict[str, float]
    bandwidth: dict[str, Interval] = {}


class SpeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """All scenes of a run, and the machine."""

    schema: str = SCHEMA
    created: str
    machine: dict[str, Any]
    freed_memory_kept: bool
    results: list[Result]


def load(path: Path) -> SpeedReport:
    """Read a saved report.

    Raises:
        DybenchError: if there is none in `path`.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=SpeedReport)
    except (OSError, msgspec.MsgspecError) as error:
        raise DybenchError(f"cannot read {path}: {error}") from error


def run_scene(
    scene: Scene,
    device: torch.device,
    pace: Pace,
    *,
    seed: int = 0,
    paths: tuple[str, ...] = (),
    capture: Callable[[Call, torch.device], Call] | None = None,
) -> Result:
    """Time one scene.

    Args:
        scene: what is upsampled.
        device: where.
        pace: for how long.
        seed: of the input, the weights and the order of turns.
        paths: implementations of ours to be timed by name as well.
        capture: makes a replay of a call, which is timed as well; on CUDA, a graph by default.
    """
    torch.manual_seed(seed)
    calls = dict(calls_of(scene, device, paths))
    if capture is None and device.type == "cuda":
        capture = launches.record
    with torch.inference_mode():
        replays = {} if capture is None else dict(_replays(calls, device, capture))
        entrants = {name: Contestant(name, call) for name, call in (calls | replays).items()}
        order = list(entrants.values())
        for _ in contest(order, for_device(device), pace, reference=REFERENCE, seed=seed):
            pass
        overhead = {
            name: _overhead(call, device)
            for name, call in calls.items()
            if name.startswith(("ours", REFERENCE))
        }
    for contestant in order:
        if contestant.error is not None:
            raise contestant.error
    latency = {name: summarise(contestant) for name, contestant in entrants.items()}
    return Result(
        scene=scene.title,
        rows=list(_rows(scene, entrants, device)),
        seconds={name: value.median for name, value in latency.items() if value},
        memory_overhead=overhead,
        bandwidth=dict(_bandwidth(scene, entrants)),
    )


def _replays(
    calls: Mapping[str, Call], device: torch.device, capture: Callable[[Call, torch.device], Call]
) -> Iterator[tuple[str, Call]]:
    for name, call in calls.items():
        if name == DEVICE_COPY:
            continue
        try:
            yield name + REPLAYED, capture(call, device)
        except RuntimeError as error:
            typer.echo(f"{name} cannot be captured as a CUDA graph: {error}", err=True)


def _rows(scene: Scene, entrants: Mapping[str, Contestant], device: torch.device) -> Iterator[Row]:
    named = [(name, REFERENCE) for name in entrants if name.count(", ") == 2]
    replayed = [(ours + REPLAYED, against + REPLAYED) for ours, against in PAIRS]
    for ours, against in (*PAIRS, *replayed, *named):
        if ours not in entrants or against not in entrants:
            continue
        ratio = relative(entrants[ours], entrants[against])
        if ratio is not None:
            yield Row(
                scene=scene.title,
                ours=ours,
                against=against,
                ratio=ratio.ratio,
                low=ratio.low,
                high=ratio.high,
                target=None if (ours, against) in named else _target(scene, ours, against, device),
            )


def _target(scene: Scene, ours: str, against: str, device: torch.device) -> float | None:
    return target(scene, ours.removesuffix(REPLAYED), against.removesuffix(REPLAYED), device)


def _bandwidth(scene: Scene, entrants: Mapping[str, Contestant]) -> Iterator[tuple[str, Interval]]:
    """Each one's rate over the copy's: the ratio of the bytes over the ratio of the times."""
    name, copied = COPY, 2 * scene.bytes_moved() * scene.scale**2 // (1 + scene.scale**2)
    if DEVICE_COPY in entrants:
        name, copied = DEVICE_COPY, 2 * DEVICE_COPY_BYTES
    for mover in (m for m in entrants if m.startswith(("ours", "bilinear"))):
        ratio = relative(entrants[mover], entrants[name])
        if ratio is not None:
            rate = scene.bytes_moved() / copied
            yield mover, Interval(rate / ratio.ratio, rate / ratio.high, rate / ratio.low)


def _overhead(call: Callable[[], Tensor], device: torch.device) -> float:
    """Peak memory above input and output, as a share of the output."""
    output = call()
    size = output.numel() * output.element_size()
    del output
    return memory.measure(call, device).peak / size - 1


def speed(
    device: Annotated[str, typer.Option(help="cpu or cuda:N.")] = "cpu",
    budget: Annotated[float, typer.Option(min=0.05, help="Seconds for each contestant.")] = 3.0,
    only: Annotated[str, typer.Option(help="Scenes whose title holds this text.")] = "",
    paths: Annotated[
        str, typer.Option(help="Implementations of ours to time by name too: torch,gather.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="JSON report to write.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure nothing; print the table of a report."),
    ] = None,
) -> None:
    """Time DySample and CARAFE against the usual formulations and bilinear, side by side."""
    from dybench.views.speed import render_machine, render_result, render_table

    refuse_existing(output, force=force)
    if table is not None:
        deliver(render_table(load(table)) + "\n", output, force=force)
        return
    place = torch.device(parsing.device("--device", device))
    scenes = [scene for scene in scenes_on(place) if only in scene.title]
    if not scenes:
        raise UsageError(f"`--only` (={only!r}): no scene's title holds it")
    report = SpeedReport(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        machine=machine.describe(),
        freed_memory_kept=allocator.keep_freed_memory(),
        results=[],
    )
    typer.echo(render_machine(report.machine, str(place)))
    pace = Pace(budget_s=budget, rounds=60, min_rounds=9, width=0.0)
    write = files.replace if force else files.create_new
    for scene in scenes:
        result = run_scene(scene, place, pace, paths=tuple(filter(None, paths.split(","))))
        report.results.append(result)
        typer.echo(render_result(result))
        if output is not None:  # after each scene, so that Ctrl-C keeps what is done
            write(output, msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
            write = files.replace


if __name__ == "__main__":
    try:
        typer.run(speed)
    except DybenchError as error:
        typer.echo(f"dybench.speed: {error}", err=True)
        raise SystemExit(error.exit_code) from None
