"""The columns of a table: which there are, their units, their figures as shown, the best marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dybench.units import (
    BYTES,
    FLOPS,
    MISSING,
    SECONDS,
    Unit,
    choose_unit,
    decimals_for,
    format_count,
    format_fixed,
    format_interval,
    format_significant,
    format_spread,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.result import Measurement, Ratio

_SHORT_STATUS = {"out_of_memory": "no memory"}
MEMORY_BY = {
    "cpu allocator": "CPU",
    "cuda allocator": "CUDA",
    "cuda predicted": "CUDA, predicted",
}
_ALWAYS_SHOWN = ("params", "flops", "memory", "latency")


@dataclass(frozen=True)
class Value:
    """One figure as shown. `interval` and `spread` say the same at two lengths.

    `best` is set if no other row of the column is better, `partial` if it is a lower bound.
    """

    text: str = MISSING
    interval: str = ""
    spread: str = ""
    best: bool = False
    partial: bool = False


@dataclass(frozen=True)
class Column:
    """A column: `name`, what of it (`detail`), in which `unit`."""

    key: str
    name: str
    detail: str = ""
    unit: str = ""
    has_intervals: bool = False

    @property
    def header(self) -> str:
        """All of it on one line: `peak memory, CPU (MB)`."""
        text = f"{self.name}, {self.detail}" if self.detail else self.name
        return f"{text} ({self.unit})" if self.unit else text


class Units(NamedTuple):
    """The units that all tables of a report share."""

    seconds: Unit
    bytes: Unit
    flops: Unit


Filled = tuple[Column, list[Value]]


def choose_units(rows: Sequence[Measurement]) -> Units:
    """The units in which the columns of `rows` read best."""
    return Units(
        choose_unit([row.latency_s.median for row in rows if row.latency_s], SECONDS),
        choose_unit([row.peak_memory_bytes for row in rows], BYTES),
        choose_unit([row.flops for row in rows], FLOPS),
    )


def fill_columns(
    rows: Sequence[Measurement], units: Units, miou: Sequence[float | None]
) -> list[Filled]:
    """The columns worth showing for `rows` of one cell, each with one `Value` a row.

    `miou` is each row's published mIoU in percent. The main columns are always there, so that a
    gap in them is seen.
    """
    params, weights = _params(rows), _weights(rows)
    filled = [params, weights, _flops(rows, units.flops), _memory(rows, units.bytes)]
    filled += [_predicted(rows, units.bytes), _latency(rows, units.seconds)]
    filled += [_kernels(rows, units.seconds), _ratio(rows), _accuracy(miou)]
    if [value.text for value in params[1]] == [value.text for value in weights[1]]:
        filled.remove(weights)
    return [
        (column, values)
        for column, values in filled
        if column.key in _ALWAYS_SHOWN or any(value.text != MISSING for value in values)
    ]


def _params(rows: Sequence[Measurement]) -> Filled:
    return Column("params", "params"), _plain([row.params for row in rows], format_count)


def _weights(rows: Sequence[Measurement]) -> Filled:
    values = _plain([row.params_weights for row in rows], format_count)
    return Column("weights", "params", "weights only"), values


def _flops(rows: Sequence[Measurement], unit: Unit) -> Filled:
    # A lower bound beats nothing, so it takes no part in the contest.
    best = _smallest([None if row.flops_unsupported else row.flops for row in rows])
    values = [
        Value(
            MISSING if row.flops is None else format_significant(row.flops / unit.size, 4),
            best=first,
            partial=bool(row.flops_unsupported),
        )
        for row, first in zip(rows, best, strict=True)
    ]
    return Column("flops", "FLOPs", unit=unit.symbol), values


def _memory(rows: Sequence[Measurement], unit: Unit) -> Filled:
    values = _sizes([row.peak_memory_bytes for row in rows], unit)
    kinds = {row.peak_memory_kind for row in rows if row.peak_memory_kind}
    if len(kinds) == 1:
        return Column("memory", "peak memory", MEMORY_BY[kinds.pop()], unit.symbol), values
    # Kinds that cannot be compared: each figure says its own, and none is best.
    values = [
        Value(f"{value.text} {MEMORY_BY[row.peak_memory_kind]}") if row.peak_memory_kind else value
        for row, value in zip(rows, values, strict=True)
    ]
    return Column("memory", "peak memory", unit=unit.symbol), values


def _predicted(rows: Sequence[Measurement], unit: Unit) -> Filled:
    column = Column("predicted", "CUDA peak", "predicted", unit.symbol)
    return column, _sizes([row.predicted_cuda_peak_memory_bytes for row in rows], unit)


def _sizes(numbers: Sequence[int | None], unit: Unit) -> list[Value]:
    scaled = [number / unit.size for number in numbers if number]
    most = 1 if min(scaled, default=0.0) >= 10 else 3
    decimals = min(most, decimals_for(scaled))
    return _plain(numbers, lambda number: format_fixed(number / unit.size, decimals))


def _latency(rows: Sequence[Measurement], unit: Unit) -> Filled:
    found = [row.latency_s for row in rows]
    scaled = [
        None if x is None else (x.median / unit.size, x.low / unit.size, x.high / unit.size)
        for x in found
    ]
    values = _timed(scaled, decimals_for([x[0] for x in scaled if x]))
    values = [
        Value(_SHORT_STATUS.get(row.status, row.status)) if row.status != "ok" else value
        for row, value in zip(rows, values, strict=True)
    ]
    return Column("latency", "latency", "median", unit.symbol, has_intervals=True), values


def _kernels(rows: Sequence[Measurement], unit: Unit) -> Filled:
    scaled = [None if row.kernel_s is None else row.kernel_s / unit.size for row in rows]
    decimals = decimals_for([x for x in scaled if x is not None])
    values = [Value() if x is None else Value(format_fixed(x, decimals)) for x in scaled]
    return Column("kernels", "kernels", "alone", unit.symbol), values


def _ratio(rows: Sequence[Measurement]) -> Filled:
    found = [row.relative_latency for row in rows]
    references = sorted({ratio.to for ratio in found if ratio})
    values = _timed([None if x is None else (x.ratio, x.low, x.high) for x in found], 2)
    values = [
        Value(value.text, best=value.best) if ratio and _is_reference(row, ratio) else value
        for row, ratio, value in zip(rows, found, values, strict=True)
    ]
    name = f"× {' or '.join(references)}"
    return Column("ratio", name, has_intervals=True), values


def _is_reference(row: Measurement, ratio: Ratio) -> bool:
    return ratio.to == row.case.upsampler and row.case.runtime == "eager"


def _accuracy(numbers: Sequence[float | None]) -> Filled:
    best = _smallest([None if number is None else -number for number in numbers])
    values = [
        Value() if number is None else Value(format_fixed(number, 2), best=first)
        for number, first in zip(numbers, best, strict=True)
    ]
    return Column("miou", "mIoU", "published", "%"), values


def _plain(numbers: Sequence[int | None], show: Callable[[int], str]) -> list[Value]:
    return [
        Value() if number is None else Value(show(number), best=first)
        for number, first in zip(numbers, _smallest(numbers), strict=True)
    ]


def _timed(found: Sequence[tuple[float, float, float] | None], decimals: int) -> list[Value]:
    return [
        Value()
        if x is None
        else Value(
            format_fixed(x[0], decimals),
            format_interval(x[1], x[2], decimals),
            format_spread(*x),
            best=first,
        )
        for x, first in zip(found, _fastest(found), strict=True)
    ]


def _smallest(numbers: Sequence[float | None]) -> list[bool]:
    """Which numbers are the smallest; none where there is nothing to choose between."""
    known = {number for number in numbers if number is not None}
    return [len(known) > 1 and number == min(known) for number in numbers]


def _fastest(found: Sequence[tuple[float, float, float] | None]) -> list[bool]:
    """Which medians are the smallest or, by their intervals, not shown to be larger."""
    known = [x for x in found if x is not None]
    if not known:
        return [False] * len(found)
    limit = min(known)[2]
    marks = [x is not None and x[1] <= limit for x in found]
    return marks if marks.count(True) < len(known) else [False] * len(found)
