"""Two reports compared row by row: exact figures exactly, latency by its ratio to the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dybench.case import Case
from dybench.result import Latency, Measurement, Ratio, Report, Status
from dybench.statistics import Interval
from dybench.verdict import Thresholds, Verdict, judge, ratio_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

EXACT = ("params", "params_weights", "flops", "peak_memory_bytes")
PREDICTED = "predicted_cuda_peak_memory_bytes"


class Change(msgspec.Struct, frozen=True):
    """An exact figure that is not what it was; None where a report does not have it.

    `metric` is a field of `Measurement`, or `operator_counts` with the `operator`.
    """

    metric: str
    old: int | None
    new: int | None
    operator: str = ""

    @property
    def rose(self) -> bool:
        """Whether there is more of it now."""
        return self.old is not None and self.new is not None and self.new > self.old


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """A latency, old and new: `relative` to the upsampler `to`, or `absolute` in seconds."""

    basis: Literal["relative", "absolute"]
    to: str = ""
    old: float
    new: float
    ratio: Interval
    verdict: Verdict


class RowComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One case in both reports. `note` says why a timing that could be expected is missing."""

    case: Case
    old_status: Status
    new_status: Status
    changes: list[Change] = []
    relative: Timing | None = None
    absolute: Timing | None = None
    note: str = ""

    @property
    def stopped(self) -> bool:
        """Whether it was ok, and is not now."""
        return self.old_status == "ok" != self.new_status

    @property
    def timing(self) -> Timing | None:
        """The timing to judge by: relative where there is one."""
        return self.relative or self.absolute

    @property
    def verdict(self) -> Verdict | None:
        """What the timing says; None without one."""
        return self.timing.verdict if self.timing else None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two reports, compared.

    Attributes:
        same_machine: whether the fingerprints agree, so that absolute times may be compared.
        differences: of the machines and of how was measured, as `threads 1 → 2`.
        rows: cases of both. only_old, only_new: cases of one.
    """

    schema: str = "dybench-comparison/1"
    old_created: str
    new_created: str
    same_machine: bool
    thresholds: Thresholds
    differences: list[str] = []
    rows: list[RowComparison]
    only_old: list[Case] = []
    only_new: list[Case] = []


def compare_reports(old: Report, new: Report, thresholds: Thresholds | None = None) -> Comparison:
    """Match the rows of two reports by case and compare each pair.

    Two runs differ by more than their intervals say: see `Thresholds.between_runs`.
    """
    old_rows = {row.case.key: row for row in old.measurements}
    new_rows = {row.case.key: row for row in new.measurements}
    same = same_machine(old, new)
    limits = thresholds or Thresholds()
    apart = limits.between_runs if same else limits.elsewhere
    limits = msgspec.structs.replace(limits, slower_than=max(limits.slower_than, apart))
    return Comparison(
        old_created=old.created,
        new_created=new.created,
        same_machine=same,
        thresholds=limits,
        differences=list(_differences(old, new)),
        rows=[
            compare_rows(old_rows[key], row, limits, same_machine=same)
            for key, row in new_rows.items()
            if key in old_rows
        ],
        only_old=[row.case for key, row in old_rows.items() if key not in new_rows],
        only_new=[row.case for key, row in new_rows.items() if key not in old_rows],
    )


def same_machine(old: Report, new: Report) -> bool:
    """Whether both reports say what machine they are of, and it is the same."""
    fingerprint = old.machine.get("fingerprint")
    return fingerprint is not None and fingerprint == new.machine.get("fingerprint")


# What of the machine and of the settings moves a latency.
_MACHINE = ("cpu", "logical_cores", "threads")
_SETTINGS = ("memory_allocator", "offset_std", "flush_l2", "reference", "seed", "freed_memory_kept")


def _differences(old: Report, new: Report) -> Iterator[str]:
    before, after = (_conditions(report) for report in (old, new))
    for name in before:
        if name in after and before[name] != after[name]:
            yield f"{name.replace('_', ' ')} {before[name]} → {after[name]}"


def _conditions(report: Report) -> dict[str, Any]:
    """What of a report's machine and settings moves a latency, as far as it says."""
    machine, settings = report.machine, report.settings
    found = {name: machine.get(name) for name in _MACHINE}
    found |= {name: settings.get(name) for name in _SETTINGS}
    found["torch"] = (machine.get("packages") or {}).get("torch")
    if (gpus := machine.get("gpus")) is not None:
        found["GPUs"] = ", ".join(str(gpu.get("name")) for gpu in gpus) or "none"
    return {name: value for name, value in found.items() if value is not None}


def compare_rows(
    old: Measurement, new: Measurement, thresholds: Thresholds, *, same_machine: bool
) -> RowComparison:
    """Compare what two reports say of one case."""
    ran = old.status == new.status == "ok"
    relative, note = _relative(old, new, thresholds) if ran else (None, "")
    absolute = same_machine and ran
    return RowComparison(
        case=new.case,
        old_status=old.status,
        new_status=new.status,
        changes=list(exact_changes(old, new)),
        relative=relative,
        absolute=_absolute(old.latency_s, new.latency_s, thresholds) if absolute else None,
        note=note,
    )


def exact_changes(old: Measurement, new: Measurement) -> Iterator[Change]:
    """The exact figures that differ; peak memory only if both were counted by the same means."""
    if old.status != "ok" or new.status != "ok":
        return
    memory_differs_in_kind = old.peak_memory_kind != new.peak_memory_kind
    for metric in (*EXACT, PREDICTED):
        before, after = getattr(old, metric), getattr(new, metric)
        if metric == "peak_memory_bytes" and memory_differs_in_kind:
            continue
        if before != after and (metric != PREDICTED or None not in (before, after)):
            yield Change(metric, before, after)
    for name in sorted(old.operator_counts.keys() | new.operator_counts.keys()):
        before, after = old.operator_counts.get(name, 0), new.operator_counts.get(name, 0)
        if before != after:
            yield Change("operator_counts", before, after, name)


def _relative(
    old: Measurement, new: Measurement, thresholds: Thresholds
) -> tuple[Timing | None, str]:
    """The change of the ratio to the reference, or why there is none."""
    before, after = old.relative_latency, new.relative_latency
    if before is None or after is None:
        missing = "old" if before is None else "new"
        return None, "" if before is after else f"no relative latency in the {missing} report"
    if before.to != after.to:
        return None, f"relative to {before.to} before and to {after.to} now"
    if new.case.upsampler == after.to and new.case.runtime == "eager":
        return None, "the reference itself"
    ratio = ratio_of_ratios(_interval(after), _interval(before))
    timing = Timing(
        basis="relative",
        to=after.to,
        old=before.ratio,
        new=after.ratio,
        ratio=ratio,
        verdict=judge(ratio, thresholds),
    )
    return timing, ""


def _absolute(old: Latency | None, new: Latency | None, thresholds: Thresholds) -> Timing | None:
    if old is None or new is None:
        return None
    ratio = ratio_of_ratios(
        Interval(new.median, new.low, new.high), Interval(old.median, old.low, old.high)
    )
    return Timing(
        basis="absolute",
        old=old.median,
        new=new.median,
        ratio=ratio,
        verdict=judge(ratio, thresholds),
    )


def _interval(ratio: Ratio) -> Interval:
    return Interval(ratio.ratio, ratio.low, ratio.high)
