"""One row of a report: what is measured of a case alone, and what a contest adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from dybench import machine, runtimes
from dybench.measure import clocks, flops, latency, launches, memory, operators, parameters, timer
from dybench.result import Measurement, Status
from dybench.sources import Source, describe
from dybench.subject import Subject, build, make_inputs, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from dybench.case import Case
    from dybench.conditions import Settings
    from dybench.measure.latency import Contestant


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
    if few := latency.few_rounds_note(contestant):
        notes.append(few)
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
    check_output(case, subject)
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


def check_output(case: Case, subject: Subject) -> None:
    """Raise a RuntimeError unless a call returns what the case is of."""
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
    except (NotImplementedError, RuntimeError, AttributeError):
        return None, 0
    weights = sum(p.numel() * p.element_size() for p in module.parameters())
    try:
        inputs = make_inputs(eager, guided=source.guided, device=meta, seed=0)
        return memory.predict_cuda(prepare(eager, module, inputs).call), weights
    except Exception:  # noqa: BLE001 - what is wrong with its forward shows on real tensors
        return None, weights


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
    status: Status = "out_of_memory" if memory.ran_out(error) else "failed"
    return msgspec.structs.replace(row, status=status, reason=describe(error))
