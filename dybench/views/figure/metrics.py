"""The metrics a figure can show: where each is in a row, and in which unit it is drawn."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dybench.errors import UsageError
from dybench.published import holds_for, load_published
from dybench.units import format_significant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.result import Measurement

LOG_SPAN = 30.0  # beyond this ratio of largest to smallest a linear axis hides the small ones


@dataclass(frozen=True)
class Metric:
    """A number of a row in the unit it is drawn in.

    `value` is None where the row has none. `interval` is the 95 % one, where there is one.
    """

    name: str
    label: str
    unit: str
    value: Callable[[Measurement], float | None]
    interval: Callable[[Measurement], tuple[float, float] | None]

    @property
    def axis_label(self) -> str:
        """Name and unit, as written along an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _latency(row: Measurement) -> float | None:
    return None if row.latency_s is None else row.latency_s.median * 1e3


def _latency_interval(row: Measurement) -> tuple[float, float] | None:
    return None if row.latency_s is None else (row.latency_s.low * 1e3, row.latency_s.high * 1e3)


def _memory(row: Measurement) -> float | None:
    return None if row.peak_memory_bytes is None else row.peak_memory_bytes / 1e6


def _flops(row: Measurement) -> float | None:
    return None if row.flops is None else row.flops / 1e9


def _params(row: Measurement) -> float | None:
    return None if row.params is None else row.params / 1e3


def _miou(row: Measurement) -> float | None:
    return load_published().miou(row.case.upsampler) if holds_for(row.case) else None


def _no_interval(_row: Measurement) -> None:
    return None


METRICS: dict[str, Metric] = {
    "params": Metric("params", "parameters", "k", _params, _no_interval),
    "flops": Metric("flops", "FLOPs", "G", _flops, _no_interval),
    "memory": Metric("memory", "peak memory", "MB", _memory, _no_interval),
    "latency": Metric("latency", "latency", "ms", _latency, _latency_interval),
}
MIOU = Metric("miou", "mIoU on ADE20K, SegFormer-B1", "%", _miou, _no_interval)


def metric_named(name: str, option: str, *, also: Sequence[Metric] = ()) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: naming `option` and the nearest name, if there is none.
    """
    known = METRICS | {metric.name: metric for metric in also}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(known)}"
    raise UsageError(f"`{option}` (={name!r}) is no metric it can show: {hint}")


def is_lower_bound(metric: Metric, row: Measurement) -> bool:
    """Whether the row's value of the metric leaves out operators that no counter knows."""
    counted = metric.name == "flops" and row.flops is not None
    return counted and bool(row.flops_unsupported)


def format_value(value: float) -> str:
    """Three significant digits, without an exponent wherever that stays readable."""
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        return format_significant(value, 3)
    return f"{value:.1e}"


def needs_log(values: Sequence[float]) -> bool:
    """Whether the positive values span so much that a linear axis would hide the small ones."""
    positive = [v for v in values if v > 0]
    return bool(positive) and max(positive) / min(positive) > LOG_SPAN
