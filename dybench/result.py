"""What was measured: `Measurement`, `Report` and the report's JSON, schema `dybench/1`.

Plain numbers in SI units throughout; formatting happens in a view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dybench.case import Case, Cell
from dybench.errors import ReportError
from dybench.files import create_new, replace

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "dybench/1"
Status = Literal["ok", "skipped", "out_of_memory", "timeout", "failed"]
MemoryKind = Literal["cpu allocator", "cuda allocator", "cuda predicted"]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds a call takes: the median of all rounds, an interval of it, every round's sample.

    `low` and `high` bound the median with 95 % confidence; `samples[i]` is round i's seconds a
    call, and round i of every upsampler of the cell ran side by side. `throttled` are the places
    of samples that a GPU took while it was held back; `clock_mhz` its slowest and fastest clock,
    empty where none was read.
    """

    median: float
    low: float
    high: float
    samples: list[float]
    throttled: list[int] = msgspec.field(default_factory=list)
    clock_mhz: list[int] = msgspec.field(default_factory=list)


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """Latency relative to the reference upsampler `to` in the same rounds, run eagerly.

    `samples` are the ratios of single rounds, to the reference's turns just before and after.
    """

    to: str
    ratio: float
    low: float
    high: float
    samples: list[float] = msgspec.field(default_factory=list)


class Measurement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One row of a report. A figure that could not be had is None and `notes` says why.

    Attributes:
        reason: why `status` is not ok; empty when it is.
        params: learnable values. params_weights: those in tensors of two or more dimensions.
        flops: one multiply-add is one FLOP; of one forward of the whole batch.
        flops_unsupported: operators that no counter knows, and how often each ran.
        peak_memory_bytes: highest allocation during a call above what was live before it
            (so the output is included, weights and input are not).
        predicted_cuda_peak_memory_bytes: the same, predicted for CUDA from shapes alone.
        first_call_s: seconds of the very first call (compilation, page faults, autotuning).
        kernel_s: on CUDA, seconds of a call's kernels alone, launched as one graph.
        guided: whether it was given a high-resolution guide, made by the run.
        output_probe: figures of the output for a fixed seed, kept by `check` to see it change.
        notes: what the reader of this row should know (wide spread, throttling, ...).
    """

    case: Case
    status: Status = "ok"
    reason: str = ""
    guided: bool = False
    params: int | None = None
    params_weights: int | None = None
    flops: int | None = None
    flops_by_operator: dict[str, int] = msgspec.field(default_factory=dict)
    flops_unsupported: dict[str, int] = msgspec.field(default_factory=dict)
    operator_counts: dict[str, int] = msgspec.field(default_factory=dict)
    peak_memory_bytes: int | None = None
    peak_memory_kind: MemoryKind | None = None
    peak_memory_total_bytes: int | None = None
    peak_memory_reserved_bytes: int | None = None
    predicted_cuda_peak_memory_bytes: int | None = None
    first_call_s: float | None = None
    latency_s: Latency | None = None
    kernel_s: float | None = None
    relative_latency: Ratio | None = None
    output_probe: list[float] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run, saved: every view is a function of one of these.

    Attributes:
        created: ISO 8601 time with zone. command: the command line, as typed.
        machine: what ran it (see `dybench.machine`). settings: how it was measured.
        complete: False while the run goes on, and for good if it was interrupted.
    """

    schema: str = SCHEMA
    created: str
    command: str
    machine: dict[str, Any] = msgspec.field(default_factory=dict)
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    complete: bool = False
    measurements: list[Measurement] = msgspec.field(default_factory=list)

    def by_cell(self) -> dict[Cell, list[Measurement]]:
        """The rows grouped by grid cell, in the order they were measured."""
        groups: dict[Cell, list[Measurement]] = {}
        for row in self.measurements:
            groups.setdefault(row.case.cell, []).append(row)
        return groups

    def by_contest(self) -> dict[Cell, list[Measurement]]:
        """The rows grouped by what ran in the same rounds: as by cell, with all runtimes."""
        groups: dict[Cell, list[Measurement]] = {}
        for row in self.measurements:
            groups.setdefault(row.case.contest, []).append(row)
        return groups

    def to_json(self) -> bytes:
        """The report as indented UTF-8 JSON with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def save_new(self, path: Path) -> None:
        """Write to `path`, which must not exist yet.

        Raises:
            ReportError: if the file exists or cannot be written.
        """
        create_new(path, self.to_json())

    def save_over(self, path: Path) -> None:
        """Replace the file at `path` in one step: a reader sees the old or the new, never half.

        Raises:
            ReportError: if the file cannot be written.
        """
        replace(path, self.to_json())


def load(path: Path) -> Report:
    """Read a saved report.

    Raises:
        ReportError: in one line, if the file is missing, damaged or of an unknown schema.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror or error}") from error
    if not text.strip():
        raise ReportError(f"{path} is empty: no report in it")
    try:
        head = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ReportError(f"{path} is not a dybench report: {error}") from error
    schema = head.get("schema")
    if schema != SCHEMA:
        found = f"schema {schema!r}" if schema is not None else "no schema"
        raise ReportError(f"{path} has {found}; this dybench reads {SCHEMA!r} only")
    try:
        return msgspec.json.decode(text, type=Report)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ReportError(f"{path} is a damaged report: {error}") from error
