"""Rows as finished strings, one table a network; what a format lays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dybench.units import (
    BYTES,
    FLOPS,
    MISSING,
    SECONDS,
    choose_unit,
    decimals_for,
    format_count,
    format_fixed,
    format_significant,
)
from dybench.views.columns import MEMORY_BY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.models.hosts import Model
    from dybench.models.rows import Row

GUIDE_MARK, PARTIAL_MARK = "(g)", "†"
AGREES, AGREES_OTHERWISE, DISAGREES = "✓", "≈", "≠"
_LEGEND = {
    GUIDE_MARK: "is given the stage's guide, which counts in none of its figures",
    PARTIAL_MARK: "a lower bound: some operators were not counted",
    AGREES: "the count agrees with what was printed, to the last digit",
    AGREES_OTHERWISE: "what was printed is of another form of it, whose count agrees",
    DISAGREES: "it does not",
}


@dataclass(frozen=True)
class ModelTable:
    """One network: the title and what it is, columns of finished cells, remarks by upsampler.

    `headers` are pairs of name and unit or detail; the first column is the upsampler.
    """

    title: str
    about: str
    headers: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[tuple[str, str], ...]


def tables(models: Sequence[Model], rows: Sequence[Row]) -> list[ModelTable]:
    """The tables of `rows`, one a network, in the same units."""
    found = []
    for model in models:
        own = [row for row in rows if row.model == model.name]
        columns = [column for column in _columns(own, rows) if _worth_showing(column)]
        found.append(
            ModelTable(
                title=f"{model.name}: {model.title}",
                about=_about(model),
                headers=tuple((name, detail) for name, detail, _ in columns),
                rows=tuple(zip(*(cells for _, _, cells in columns), strict=True)),
                remarks=tuple((row.upsampler, text) for row in own if (text := remark(row))),
            )
        )
    return found


def legend(shown: Sequence[ModelTable]) -> list[tuple[str, str]]:
    """The marks that occur, each with its meaning."""
    text = " ".join(cell for table in shown for row in table.rows for cell in row)
    return [(mark, meaning) for mark, meaning in _LEGEND.items() if mark in text]


def remark(row: Row) -> str:
    """What there is to say of a row beside its figures; a plain agreement goes without saying."""
    parts = []
    if row.status != "ok":
        parts.append(f"{row.status.replace('_', ' ')}: {row.reason}")
    if row.flops_unsupported:
        names = ", ".join(f"{name} ({n}×)" for name, n in row.flops_unsupported.items())
        parts.append(f"not counted: {names}")
    if row.note and row.note != "matches":
        parts.append(row.note)
    return "; ".join(parts)


_Column = tuple[str, str, list[str]]


def _columns(own: Sequence[Row], rows: Sequence[Row]) -> list[_Column]:
    flops = choose_unit([row.added_flops for row in rows], FLOPS)
    memory = choose_unit([row.added_memory_bytes for row in rows], BYTES)
    seconds = choose_unit([row.added_latency_s for row in rows], SECONDS)
    kinds = sorted({MEMORY_BY[row.added_memory_kind] for row in own if row.added_memory_kind})
    times = [row.added_latency_s / seconds.size for row in rows if row.added_latency_s]
    decimals = decimals_for(times)
    return [
        ("upsampler", "", [_label(row) for row in own]),
        ("params", "", [format_count(row.added_params) for row in own]),
        ("params", "weights only", [format_count(row.added_params_weights) for row in own]),
        ("FLOPs", flops.symbol, [_flops(row, flops.size) for row in own]),
        (
            "memory",
            ", ".join([*(kinds if len(kinds) == 1 else []), memory.symbol]),
            [_memory(row, memory.size, named=len(kinds) > 1) for row in own],
        ),
        (
            "latency",
            seconds.symbol,
            [
                MISSING
                if row.added_latency_s is None
                else format_fixed(row.added_latency_s / seconds.size, decimals)
                for row in own
            ],
        ),
        (
            "×",
            next((row.relative_latency.to for row in own if row.relative_latency), ""),
            [
                MISSING
                if row.relative_latency is None
                else format_fixed(row.relative_latency.ratio, 2)
                for row in own
            ],
        ),
        ("published", "", [_published(row) for row in own]),
    ]


def _worth_showing(column: _Column) -> bool:
    name, _, cells = column
    always = name in ("upsampler", "params", "FLOPs", "memory")
    return always or any(cell != MISSING for cell in cells)


def _label(row: Row) -> str:
    return f"{row.upsampler} {GUIDE_MARK}" if row.guided else row.upsampler


def _flops(row: Row, size: float) -> str:
    if row.added_flops is None:
        return MISSING
    return format_significant(row.added_flops / size, 4) + PARTIAL_MARK * bool(
        row.flops_unsupported
    )


def _memory(row: Row, size: float, *, named: bool) -> str:
    if row.added_memory_bytes is None:
        return MISSING
    text = format_fixed(row.added_memory_bytes / size, 1)
    return f"{text} {MEMORY_BY[row.added_memory_kind]}" if named and row.added_memory_kind else text


def _published(row: Row) -> str:
    if not row.published:
        return MISSING
    main = row.published[0]
    agrees = main.params_match is not False and main.flops_match is not False
    compact = main.printed.replace(" ", "").replace(",", " ")
    mark = AGREES_OTHERWISE if main.in_another_form else AGREES
    return f"{compact} {mark if agrees else DISAGREES}"


def _about(model: Model) -> str:
    stages = len(model.stages)
    channels = sorted({stage.channels or model.channels for stage in model.stages})
    parts = [
        f"{stages} stage{'s' * (stages != 1)}",
        f"{', '.join(map(str, channels))} channels",
        f"{model.pixels:,} low-resolution pixels",
    ]
    if model.base_params is not None:
        parts.append(f"network {model.base_params / 1e6:g} M params")
    if model.base_flops is not None:
        parts.append(f"{model.base_flops / 1e9:g} GFLOPs")
    return ", ".join(parts)
