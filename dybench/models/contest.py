"""The upsamplers of a network against each other, every stage of it in sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dybench import machine
from dybench.measure import latency, memory, timer
from dybench.measure.latency import Contestant
from dybench.models.rows import stage_case
from dybench.sources import describe, resolve
from dybench.subject import build, make_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from dybench.measure.latency import Pace
    from dybench.models.hosts import Model, Stage
    from dybench.models.rows import Row
    from dybench.sources import Source

REFERENCE = "bilinear"
FLOAT_BYTES = 4

StageInputs = list[tuple["Tensor", ...]]


def measure(
    model: Model,
    rows: Sequence[Row],
    sources: Sequence[Source],
    device: torch.device,
    pace: Pace,
) -> Iterator[float]:
    """Measure one network's rows in place, yielding the share that is done, 0 to 1.

    Memory comes first, then the contest, in alternating rounds; bilinear takes part in it even
    where it has no row. What raises ends its own row only.

    Args:
        model: the network.
        rows: its rows, of which those that are ok are measured.
        sources: the upsampler of each row.
        device: where to run.
        pace: how long to measure each upsampler.
    """
    _leave_out_too_large(model, rows, device)
    if all(row.status != "ok" for row in rows):
        return
    inputs = _inputs(model, sources, device)
    contestants: dict[str, Contestant] = {}
    for row, source in zip(rows, sources, strict=True):
        if row.status == "ok":
            contestant = _weighed(model, row, source, inputs, device)
            contestants |= {row.upsampler: contestant} if contestant else {}
    if not contestants:
        return
    anchor = contestants.get(REFERENCE) or _reference(model, inputs, device)
    everyone = list(contestants.values())
    if anchor is not None and REFERENCE not in contestants:
        everyone.append(anchor)
    reference = anchor.name if anchor else None
    try:
        yield from latency.contest(everyone, timer.for_device(device), pace, reference=reference)
    finally:  # also on Ctrl-C: the rounds that were run count
        for row in rows:
            if row.upsampler in contestants:
                _enter(row, contestants[row.upsampler], anchor)


def _leave_out_too_large(model: Model, rows: Sequence[Row], device: torch.device) -> None:
    """Give up on rows that would not fit; an attempt could take the whole machine down."""
    guided = any(row.guided and row.status == "ok" for row in rows)
    inputs = sum(_input_bytes(model, stage, guided=guided) for stage in model.stages)
    free = machine.available_bytes(device)
    for row in rows:
        needed = inputs + (row.added_memory_bytes or 0) + FLOAT_BYTES * (row.added_params or 0)
        if row.status == "ok" and needed > free:
            row.status = "out_of_memory"
            row.reason = f"needs {needed / 1e9:,.1f} GB, {device} has {free / 1e9:,.1f} GB free"


def _input_bytes(model: Model, stage: Stage, *, guided: bool) -> int:
    channels = stage.channels or model.channels
    wanted = stage.guide_channels or channels if guided and stage.guide else 0
    return FLOAT_BYTES * stage.pixels * (channels + wanted * stage.scale**2)


def _inputs(model: Model, sources: Sequence[Source], device: torch.device) -> StageInputs:
    """Each stage's map and, where anyone wants it and there is one, its guide."""
    guided = next((source for source in sources if source.guided), None)
    plain = next((source for source in sources if not source.guided), resolve(REFERENCE))
    found = []
    for stage in model.stages:
        source = guided if guided is not None and stage.guide else plain
        case = stage_case(model, stage, source, str(device))
        found.append(make_inputs(case, guided=source.guided, device=device, seed=0))
    return found


def _call(
    model: Model, source: Source, inputs: StageInputs, device: torch.device
) -> Callable[[], object]:
    stages = []
    for stage, tensors in zip(model.stages, inputs, strict=True):
        case = stage_case(model, stage, source, str(device))
        given = tensors if source.guided else tensors[:1]
        stages.append((build(case, source, device=device, seed=0), given))

    def run() -> object:
        result = None
        with torch.inference_mode():
            for module, tensors in stages:
                del result  # before the next stage, not after it
                result = module(*tensors)
        return result

    return run


def _weighed(
    model: Model, row: Row, source: Source, inputs: StageInputs, device: torch.device
) -> Contestant | None:
    """The row's contestant, its peak memory measured; None if it cannot run."""
    try:
        call = _call(model, source, inputs, device)
        peak = memory.measure(call, device)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        _fail(row, error)
        return None
    row.added_memory_bytes, row.added_memory_kind = peak.peak, peak.kind
    return Contestant(row.upsampler, call)


def _reference(model: Model, inputs: StageInputs, device: torch.device) -> Contestant | None:
    try:
        return Contestant(REFERENCE, _call(model, resolve(REFERENCE), inputs, device))
    except (ValueError, TypeError, RuntimeError):
        return None


def _enter(row: Row, contestant: Contestant, anchor: Contestant | None) -> None:
    if contestant.error is not None:
        _fail(row, contestant.error)
        return
    if contestant.timed_out:
        row.status, row.reason = "timeout", "one call took too long"
        return
    row.latency_s = latency.summarise(contestant)
    row.added_latency_s = row.latency_s.median if row.latency_s else None
    row.relative_latency = latency.relative(contestant, anchor) if anchor else None


def _fail(row: Row, error: Exception) -> None:
    row.status = "out_of_memory" if memory.ran_out(error) else "failed"
    row.reason = describe(error)
