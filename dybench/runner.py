"""Walks the cases cell by cell, isolates what fails, and hands out the report after every case."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import torch

from dybench import machine, runtimes
from dybench.measure import (
    allocator,
    clocks,
    flops,
    latency,
    launches,
    memory,
    operators,
    parameters,
    timer,
)
from dybench.measure.latency import Contestant, Pace
from dybench.result import Measurement, Report
from dybench.sources import Source, describe, resolve
from dybench.subject import TRAINED_OFFSET_STD, Subject, build, make_inputs, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from dybench.case import Case, Cell

STATIC_SHARE = 0.3  # of a cell's time, roughly, that goes into everything but the contest


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to measure; kept in the report.

    Attributes:
        reference: the upsampler that latencies are given relative to, run eagerly; it is timed in
            every contest, and has a row only where it was asked for.
        memory_allocator: `keep` freed memory for the run, or leave the `system` its way.
        offset_std: spread of DySample's offsets, in low-resolution pixels.
        threads: torch's threads within an operator; None leaves torch's choice.
        timed: whether latency is measured at all.
    """

    pace: Pace = Pace()
    reference: str = "bilinear"
    seed: int = 0
    memory_allocator: Literal["keep", "system"] = "keep"
    offset_std: float = TRAINED_OFFSET_STD
    threads: int | None = None
    flush_l2: bool = False
    timed: bool = True


class Progress(NamedTuple):
    """Where a run is: `done` is the share of all of it, `seconds_left` a forecast.

    A cell here holds the cases of all its runtimes.
    """

    cell: Cell
    cell_number: int
    cells: int
    doing: str
    done: float
    seconds_left: float | None


def run(
    cases: Sequence[Case],
    settings: Settings,
    *,
    command: str = "",
    save: Callable[[Report], None] = lambda report: None,  # noqa: ARG005
    watch: Callable[[Progress], None] = lambda progress: None,  # noqa: ARG005
) -> Report:
    """Measure `cases`, those of one grid cell against each other, all runtimes in the same rounds.

    Args:
        cases: what to measure, all on devices that exist.
        settings: how to measure.
        command: the command line, for the report.
        save: called with the report so far after every case.
        watch: called with the progress, often.

    Raises:
        UsageError: if an upsampler or a runtime cannot be found; nothing was measured then.
        KeyboardInterrupt: after saving what was measured so far.
    """
    sources = {name: resolve(name) for name in dict.fromkeys(case.upsampler for case in cases)}
    for runtime in dict.fromkeys(case.runtime for case in cases):
        runtimes.require(runtime)
    walk = _Walk(sources, settings, command, save, watch, _grouped(cases))
    try:
        walk.go()
    except KeyboardInterrupt:
        save(walk.report(complete=False))
        raise
    return walk.report(complete=True)


def _grouped(cases: Sequence[Case]) -> dict[Cell, list[Case]]:
    cells: dict[Cell, list[Case]] = {}
    for case in cases:
        cells.setdefault(case.contest, []).append(case)
    return cells


class _Walk:
    """One run under way."""

    def __init__(
        self,
        sources: dict[str, Source],
        settings: Settings,
        command: str,
        save: Callable[[Report], None],
        watch: Callable[[Progress], None],
        cells: dict[Cell, list[Case]],
    ) -> None:
        self._sources, self._settings, self._cells = sources, settings, cells
        self._save, self._watch = save, watch
        self._rows: list[Measurement] = []
        self._started = time.monotonic()
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        self._threads = torch.get_num_threads()
        kept = settings.memory_allocator == "keep" and allocator.keep_freed_memory()
        self._report = Report(
            created=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
            command=command,
            machine=machine.describe(),
            settings=msgspec.to_builtins(settings)
            | {"threads": self._threads, "freed_memory_kept": kept},
        )

    def report(self, *, complete: bool) -> Report:
        """The report of what has been measured so far."""
        rows = list(self._rows)
        return msgspec.structs.replace(self._report, measurements=rows, complete=complete)

    def go(self) -> None:
        for number, (cell, cases) in enumerate(self._cells.items()):
            if any(case.runtime == "compile" for case in cases):
                runtimes.forget_compiled()
            subjects = self._measure_statically(number, cell, cases)
            if self._settings.timed and subjects:
                self._measure_latency(number, cell, subjects)
            self._save(self.report(complete=number + 1 == len(self._cells)))
            if torch.get_num_threads() != self._threads:
                self._note_rows(cell, "an upsampler changed torch's thread count during the run")
                torch.set_num_threads(self._threads)
            if cell.device.startswith("cuda"):
                torch.cuda.empty_cache()

    def _measure_statically(self, number: int, cell: Cell, cases: list[Case]) -> dict[int, Subject]:
        """Measure all but latency; return what can be timed, by row."""
        subjects: dict[int, Subject] = {}
        inputs: dict[bool, tuple[Tensor, ...]] = {}
        for index, case in enumerate(cases):
            self._tell(number, cell, case.upsampler, STATIC_SHARE * index / len(cases))
            row, subject = measure_static(
                case, self._sources[case.upsampler], self._settings, inputs
            )
            if subject is not None:
                subjects[len(self._rows)] = subject
            self._rows.append(row)
            self._save(self.report(complete=False))
        return subjects

    def _measure_latency(self, number: int, cell: Cell, subjects: dict[int, Subject]) -> None:
        contestants = {
            row: Contestant(_contestant_name(self._rows[row].case), subject.call)
            for row, subject in subjects.items()
        }
        everyone = list(contestants.values())
        anchor = next((c for c in everyone if c.name == self._settings.reference), None)
        if anchor is None and (anchor := self._reference(cell)) is not None:
            everyone.append(anchor)
        device, pace = torch.device(cell.device), self._settings.pace
        clock = timer.for_device(device, flush_l2=self._settings.flush_l2)
        sense, how = clocks.for_device(device)
        self._report.settings["clocks"] = how
        contest = latency.contest(
            everyone,
            clock,
            pace,
            reference=anchor.name if anchor else None,
            seed=self._settings.seed,
            sense=sense,
        )
        try:
            for share in contest:
                doing = f"{len(everyone)} upsamplers in alternating rounds"
                self._tell(number, cell, doing, STATIC_SHARE + (1 - STATIC_SHARE) * share)
        finally:  # also on Ctrl-C: the rounds that were run count
            for row, contestant in contestants.items():
                self._rows[row] = with_latency(self._rows[row], contestant, anchor)
        if device.type == "cuda":
            for row, subject in subjects.items():
                alone = partial(
                    launches.kernel_seconds, subject.call, clock, device, block_s=pace.block_s
                )
                self._rows[row] = with_kernels(self._rows[row], alone)

    def _reference(self, cell: Cell) -> Contestant | None:
        """The reference as a contestant without a row; None where it cannot run."""
        from dybench.case import Case

        name = self._settings.reference
        case = Case(upsampler=name, **msgspec.structs.asdict(cell))
        source = resolve(name)
        try:
            device = torch.device(cell.device)
            module = build(case, source, device=device, seed=self._settings.seed)
            inputs = make_inputs(
                case, guided=source.guided, device=device, seed=self._settings.seed
            )
            return Contestant(name, prepare(case, module, inputs).call)
        except (ValueError, TypeError, RuntimeError):
            return None

    def _note_rows(self, cell: Cell, note: str) -> None:
        for index, row in enumerate(self._rows):
            if row.case.contest == cell:
                self._rows[index] = msgspec.structs.replace(row, notes=[*row.notes, note])

    def _tell(self, number: int, cell: Cell, doing: str, share: float) -> None:
        done = (number + share) / len(self._cells)
        elapsed = time.monotonic() - self._started
        left = elapsed * (1 - done) / done if done > 0.02 else None
        self._watch(Progress(cell, number + 1, len(self._cells), doing, done, left))


def _contestant_name(case: Case) -> str:
    """The upsampler; the runtime tells it from the reference, which is run eagerly."""
    return case.upsampler if case.runtime == "eager" else f"{case.upsampler} ({case.runtime})"


def with_latency(
    row: Measurement, contestant: Contestant, anchor: Contestant | None
) -> Measurement:
    """The row with what the contest found out about it."""
    notes = list(row.notes)
    if contestant.error is not None:
        return _failed(row, contestant.error)
    if contestant.timed_out:
        return msgspec.structs.replace(row, status="timeout", reason="one call took too long")
    if not contestant.samples:
        notes.append("interrupted before its latency was measured")
    if warning := latency.spread_warning(contestant):
        notes.append(warning)
    if throttled := clocks.throttling_note(list(contestant.readings.values())):
        notes.append(throttled)
    return msgspec.structs.replace(
        row,
        latency_s=latency.summarise(contestant),
        relative_latency=latency.relative(contestant, anchor) if anchor else None,
        notes=notes,
    )


def with_kernels(row: Measurement, kernel_seconds: Callable[[], float]) -> Measurement:
    """The row with what its kernels take by themselves, and a note if the launches take longer."""
    if row.latency_s is None or row.case.mode != "inference":
        return row
    try:
        kernel_s = kernel_seconds()
    except RuntimeError as error:
        reason = describe(error)
        notes = [*row.notes, f"no kernel time: it cannot be captured in a CUDA graph: {reason}"]
        return msgspec.structs.replace(row, notes=notes)
    note = launches.launch_note(row.latency_s.median, kernel_s)
    notes = [*row.notes, note] if note else row.notes
    return msgspec.structs.replace(row, kernel_s=kernel_s, notes=notes)


def measure_static(
    case: Case, source: Source, settings: Settings, shared: dict[bool, tuple[Tensor, ...]]
) -> tuple[Measurement, Subject | None]:
    """Measure all but latency of one case.

    Args:
        case: what to measure.
        source: where its upsampler comes from.
        settings: how to measure.
        shared: inputs of this cell by whether there is a guide; filled on first use.

    Returns:
        The row, and what to time; None where the row's status is not ok.
    """
    row = Measurement(case=case, guided=source.guided)
    try:
        runtimes.check(case)
        predicted, weights_bytes = _predict(case, source)
    except ValueError as error:
        return msgspec.structs.replace(row, status="skipped", reason=str(error)), None
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        return _failed(row, error), None
    device = torch.device(case.device)
    needed = weights_bytes + _bytes_needed(case, source, predicted)
    if needed > machine.available_bytes(device):
        return _out_of_memory(row, needed, device), None
    try:
        module = build(
            case, source, device=device, seed=settings.seed, offset_std=settings.offset_std
        )
        if source.guided not in shared:
            shared[source.guided] = make_inputs(
                case, guided=source.guided, device=device, seed=settings.seed
            )
        subject = prepare(case, module, shared[source.guided])
        return _measured(row, subject, settings, predicted), subject
    except runtimes.CannotRunError as error:
        return msgspec.structs.replace(row, status="skipped", reason=str(error)), None
    except Exception as error:  # noqa: BLE001
        return _failed(row, error), None


def _measured(
    row: Measurement, subject: Subject, settings: Settings, predicted: int | None
) -> Measurement:
    case, device = row.case, subject.inputs[0].device
    clock = timer.for_device(device)
    first_call_s = clock.time(subject.call, 1)
    if first_call_s > settings.pace.timeout_s:
        reason = f"one call took {first_call_s:.0f} s, more than {settings.pace.timeout_s:.0f} s"
        return msgspec.structs.replace(row, status="timeout", reason=reason)
    _check_output(case, subject)
    torch_allocates = case.runtime != "onnxruntime"
    peak = memory.measure(subject.call, device) if torch_allocates else None
    counted = flops.count(subject.module, subject.inputs)
    params = parameters.count(subject.module)
    notes = [] if predicted is not None else ["no CUDA prediction: it does not run on meta tensors"]
    if peak is None:
        notes.append("no peak memory: onnxruntime allocates for itself")
    return msgspec.structs.replace(
        row,
        params=params.total,
        params_weights=params.weights,
        flops=counted.total,
        flops_by_operator=counted.by_operator,
        flops_unsupported=counted.unsupported,
        operator_counts=operators.count(subject.call),
        peak_memory_bytes=peak.peak if peak else None,
        peak_memory_kind=peak.kind if peak else None,
        peak_memory_total_bytes=peak.total if peak else None,
        peak_memory_reserved_bytes=peak.reserved if peak else None,
        predicted_cuda_peak_memory_bytes=None if device.type == "cuda" else predicted,
        first_call_s=first_call_s,
        notes=notes,
    )


def _check_output(case: Case, subject: Subject) -> None:
    result = subject.call()
    if not isinstance(result, torch.Tensor) or tuple(result.shape) != case.output_shape:
        got = tuple(result.shape) if isinstance(result, torch.Tensor) else type(result).__name__
        raise RuntimeError(f"it returned {got}, not a tensor of shape {case.output_shape}")


def _predict(case: Case, source: Source) -> tuple[int | None, int]:
    """Peak memory on CUDA from shapes alone, None if it cannot be had, and the weights' bytes."""
    meta = torch.device("meta")
    eager = msgspec.structs.replace(case, runtime="eager")
    try:
        module = build(eager, source, device=meta, seed=0)
        inputs = make_inputs(eager, guided=source.guided, device=meta, seed=0)
        weights = sum(p.numel() * p.element_size() for p in module.parameters())
        return memory.predict_cuda(prepare(eager, module, inputs).call), weights
    except (NotImplementedError, RuntimeError, AttributeError):
        return None, 0


def _bytes_needed(case: Case, source: Source, predicted: int | None) -> int:
    element: int = getattr(torch, case.dtype).itemsize
    n, channels, height, width = case.output_shape
    result = n * channels * height * width * element
    inputs = result // case.scale**2 + (result if source.guided else 0)
    return inputs + (predicted if predicted is not None else result)


def _out_of_memory(row: Measurement, needed: int, device: torch.device) -> Measurement:
    free = machine.available_bytes(device)
    reason = f"needs {needed / 1e9:,.1f} GB, {device} has {free / 1e9:,.1f} GB free"
    return msgspec.structs.replace(row, status="out_of_memory", reason=reason)


def _failed(row: Measurement, error: Exception) -> Measurement:
    allocation = "can't allocate memory" in str(error) or "not enough memory" in str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or allocation:
        return msgspec.structs.replace(row, status="out_of_memory", reason=describe(error))
    return msgspec.structs.replace(row, status="failed", reason=describe(error))
