"""What each upsampler adds to each network: one `Row` a pair.

Nothing comes from a formula: every stage's upsampler is built, its parameters and FLOPs are
counted, and its memory is followed on meta tensors of the stage's own size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import torch

from dybench.case import Case
from dybench.measure import memory, parameters
from dybench.models.agreement import Comparison, Counted, compare, note
from dybench.models.by_size import FlopsBySize, count_at, count_small
from dybench.published import load_published
from dybench.result import Latency, MemoryKind, Ratio
from dybench.sources import describe
from dybench.subject import build, make_inputs, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dybench.models.hosts import Model, Stage
    from dybench.sources import Source

RowStatus = Literal["ok", "skipped", "out_of_memory", "timeout", "failed"]
META = torch.device("meta")


class Row(msgspec.Struct, kw_only=True):
    """What one upsampler adds to one network. A figure that could not be had is None.

    Attributes:
        reason: why `status` is not ok; empty when it is.
        guided: whether it is given the stages' guides, which count in none of its figures.
        modules: how many upsamplers the network has.
        added_flops: of all stages; one multiply-add is one FLOP.
        flops_unsupported: operators that no counter knows, and how often each ran.
        added_memory_bytes: highest allocation of any stage above weights and inputs; a stage's
            result is dropped before the next stage runs. added_memory_kind: who counted.
        added_latency_s: median seconds of all stages in sequence; `latency_s` has the rest.
        published_params, published_flops: as printed, plain numbers.
        published: all that was printed, wherever, each held to the count. note: that, in words.
    """

    model: str
    upsampler: str
    guided: bool
    modules: int
    status: RowStatus = "ok"
    reason: str = ""
    added_params: int | None = None
    added_params_weights: int | None = None
    added_flops: int | None = None
    flops_unsupported: dict[str, int] = msgspec.field(default_factory=dict)
    added_memory_bytes: int | None = None
    added_memory_kind: MemoryKind | None = None
    added_latency_s: float | None = None
    latency_s: Latency | None = None
    relative_latency: Ratio | None = None
    published_params: int | float | None = None
    published_flops: int | float | None = None
    published: list[Comparison] = msgspec.field(default_factory=list)
    note: str = ""


class NotMadeError(Exception):
    """An upsampler cannot take a stage of a network, and says why."""


class StageCount(NamedTuple):
    """What one stage's upsampler was counted to take."""

    params: int
    weights: int
    flops: int
    unsupported: dict[str, int]
    memory_bytes: int


def counted_rows(models: Sequence[Model], sources: Sequence[Source]) -> Iterator[Row]:
    """Count each upsampler in each network, network by network.

    An upsampler that a stage does not suit (channels, scale, no guide) is a skipped row.
    """
    counter = Counter()
    for model in models:
        for source in sources:
            yield _row(model, source, counter)


def stage_case(model: Model, stage: Stage, source: Source, device: str) -> Case:
    """The case that one stage of a network makes for an upsampler.

    Raises:
        NotMadeError: if the upsampler is guided and the stage has no guide.
    """
    channels = stage.channels or model.channels
    options = {}
    if source.guided:
        if not stage.guide:
            where = stage.feature or "{}×{}".format(*stage.size)
            raise NotMadeError(f"needs a guide, and stage {where} has none")
        if stage.guide_channels not in (None, channels):
            options["guide_channels"] = stage.guide_channels
    height, width = stage.size
    return Case(
        upsampler=source.name,
        options=dict(options),
        channels=channels,
        height=height,
        width=width,
        scale=stage.scale,
        device=device,
    )


class Counter:
    """Counts stages, each kind once."""

    def __init__(self) -> None:
        self._stages: dict[object, StageCount] = {}
        self._by_size: dict[object, FlopsBySize | None] = {}

    def count(self, case: Case, source: Source) -> StageCount:
        """Count one stage.

        Raises:
            NotMadeError: if the upsampler refuses the channels, the scale or the guide.
        """
        if case.key not in self._stages:
            self._stages[case.key] = self._count(case, source)
        return self._stages[case.key]

    def _count(self, case: Case, source: Source) -> StageCount:
        try:
            module = build(case, source, device=META, seed=0)
        except ValueError as error:
            raise NotMadeError(str(error)) from error
        inputs = make_inputs(case, guided=source.guided, device=META, seed=0)
        peak = memory.predict_cuda(prepare(case, module, inputs).call)
        learnt = parameters.count(module)
        total, unsupported = self._flops(case, source)
        return StageCount(learnt.total, learnt.weights, total, unsupported, peak)

    def _flops(self, case: Case, source: Source) -> tuple[int, dict[str, int]]:
        key = (case.upsampler, case.channels, case.scale, tuple(sorted(case.options.items())))
        if key not in self._by_size:
            self._by_size[key] = count_small(case, source)
        by_size = self._by_size[key]
        if by_size is not None:
            return by_size.at(case.height * case.width), by_size.unsupported
        counted = count_at(case, source)
        return counted.total, counted.unsupported


def _row(model: Model, source: Source, counter: Counter) -> Row:
    row = Row(
        model=model.name, upsampler=source.name, guided=source.guided, modules=len(model.stages)
    )
    try:
        cases = [stage_case(model, stage, source, "meta") for stage in model.stages]
        counts = [counter.count(case, source) for case in cases]
    except NotMadeError as error:
        row.status, row.reason = "skipped", str(error)
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        row.status, row.reason = "failed", describe(error)
    else:
        _fill(row, model, counts)
    return row


def _fill(row: Row, model: Model, counts: Sequence[StageCount]) -> None:
    row.added_params = sum(count.params for count in counts)
    row.added_params_weights = sum(count.weights for count in counts)
    row.added_flops = sum(count.flops for count in counts)
    row.flops_unsupported = _added_up([count.unsupported for count in counts])
    row.added_memory_bytes = max(count.memory_bytes for count in counts)
    row.added_memory_kind = "cuda predicted"
    host = load_published().models.get(model.name)
    if host is None:
        return
    scales = {stage.scale for stage in model.stages}
    counted = Counted(
        module_params=tuple(count.params for count in counts),
        module_weights=tuple(count.weights for count in counts),
        flops=row.added_flops,
        scale=scales.pop() if len(scales) == 1 else None,
    )
    row.published = compare(counted, host, row.upsampler)
    row.note = note(row.published)
    if row.published:
        row.published_params = row.published[0].params
        row.published_flops = row.published[0].flops


def _added_up(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = {name for count in counts for name in count}
    return {name: sum(count.get(name, 0) for count in counts) for name in sorted(names)}
