"""What a table shows, whatever its format: grid cells, their rows, the Pareto front, the legend.

A `Report` goes in, `CellTable`s of finished strings come out; a format only lays them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dybench.case import TRAINED_OFFSET_STD
from dybench.pareto import pareto_front
from dybench.published import holds_for
from dybench.views.columns import Column, Units, Value, choose_units, fill_columns
from dybench.views.footnotes import number_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dybench.case import Case, Cell, Runtime
    from dybench.result import Measurement, Report

Front = Literal["", "miou", "memory"]
FRONT_MARKS: dict[Front, str] = {"": "", "miou": "★", "memory": "◆"}
_RUNTIMES: dict[Runtime, str] = {"eager": "", "compile": " (compile)", "onnxruntime": " (onnx)"}
BEST_MARK = "*"
GUIDE_MARK = "(g)"
PARTIAL_MARK = "†"
BEST_MEANING = "best of its column, or not told apart from it by the 95% intervals"
MIOU_MEANING = "Pareto-optimal: latency against published mIoU"
MEMORY_MEANING = "Pareto-optimal: latency against memory, no published mIoU being comparable"
GUIDE_MEANING = "takes a high-resolution guide as well"
PARTIAL_MEANING = "a lower bound: some operators were not counted"


@dataclass(frozen=True)
class Problem:
    """A row that is not ok: what became of it and why."""

    label: str
    status: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One upsampler's figures, one `Value` a column; `notes` are numbers of footnotes."""

    label: str
    guided: bool
    front: Front
    values: tuple[Value, ...]
    notes: tuple[int, ...]
    problem: Problem | None = None


@dataclass(frozen=True)
class CellTable:
    """One grid cell: `rows` have figures, `bare` ones have none and say why.

    `uncounted` names the operators behind the partial FLOPs.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    bare: tuple[Problem, ...]
    notes: tuple[str, ...]
    uncounted: tuple[str, ...]

    @property
    def problems(self) -> list[Problem]:
        """What became of every row that is not ok."""
        return [*(row.problem for row in self.rows if row.problem), *self.bare]


def cell_tables(
    report: Report, miou: Callable[[str], float | None] | None = None
) -> list[CellTable]:
    """The tables of a report, one a grid cell with all its runtimes, the same units in all.

    Args:
        report: what was measured.
        miou: an upsampler's published mIoU in percent; that of `dybench.published` by default.
    """
    if miou is None:
        from dybench.published import load_published

        miou = load_published().miou
    rows = report.measurements
    units = choose_units(rows)
    return [_cell_table(group, units, miou) for group in report.by_contest().values()]


def cell_title(cell: Cell) -> str:
    """What a cell's rows have in common: `256 × 120 × 120, ×2, batch 1, float32, …`."""
    parts = [
        f"{cell.channels} × {cell.height} × {cell.width}",
        f"×{cell.scale}",
        f"batch {cell.batch}",
        cell.dtype,
        cell.device,
        cell.layout,
        cell.mode,
    ]
    return ", ".join(parts if cell.runtime == "eager" else [*parts, cell.runtime])


def label(case: Case) -> str:
    """The upsampler and what options it was given: `carafe up_kernel=3`."""
    return " ".join([case.upsampler, *(f"{k}={v}" for k, v in sorted(case.options.items()))])


def machine_line(report: Report) -> str:
    """What the report was measured on and when, in one line, as far as it says."""
    machine = report.machine
    devices = {row.case.device for row in report.measurements}
    parts = [str(gpu["name"]) for gpu in machine.get("gpus") or [] if "name" in gpu]
    parts = list(dict.fromkeys(parts)) if any(name.startswith("cuda") for name in devices) else []
    if machine.get("cpu") and (not parts or "cpu" in devices):
        parts.append(str(machine["cpu"]))
        threads = machine.get("threads")
        parts += [f"{threads} {'thread' if threads == 1 else 'threads'}"] if threads else []
    if version := (machine.get("packages") or {}).get("torch"):
        parts.append(f"torch {version}")
    parts += _unusual(report.settings)
    return ", ".join([*parts, report.created[:16].replace("T", " ")])


def _unusual(settings: Mapping[str, Any]) -> list[str]:
    """How a report was measured, where that is not as usual and moves its latencies."""
    spread = settings.get("offset_std")
    said = {
        "memory returned to the system": settings.get("memory_allocator") == "system",
        f"offset std {spread}": spread not in (None, TRAINED_OFFSET_STD),
        "L2 emptied before each call": settings.get("flush_l2", False),
    }
    return [text for text, applies in said.items() if applies]


def legend(tables: Iterable[CellTable]) -> list[tuple[str, str]]:
    """The marks that occur in `tables`, each with its meaning."""
    tables = list(tables)
    rows = [row for table in tables for row in table.rows]
    values = [value for row in rows for value in row.values]
    marks = [
        (BEST_MARK, BEST_MEANING, any(value.best for value in values)),
        (FRONT_MARKS["miou"], MIOU_MEANING, any(row.front == "miou" for row in rows)),
        (FRONT_MARKS["memory"], MEMORY_MEANING, any(row.front == "memory" for row in rows)),
        (GUIDE_MARK, GUIDE_MEANING, any(row.guided for row in rows)),
        (PARTIAL_MARK, PARTIAL_MEANING, any(value.partial for value in values)),
    ]
    return [(mark, meaning) for mark, meaning, occurs in marks if occurs]


def _cell_table(
    group: Sequence[Measurement], units: Units, miou: Callable[[str], float | None]
) -> CellTable:
    first = group[0].case
    mixed = any(row.case.runtime != first.runtime for row in group)
    name = _label_with_runtime if mixed else label
    rows = [row for row in group if row.status == "ok" or _has_figures(row)]
    bare = [row for row in group if row not in rows]
    accuracy = [_published(row, miou) for row in rows]
    filled = fill_columns(rows, units, accuracy)
    fronts = _fronts(rows, accuracy)
    notes, numbers = number_notes([row.notes for row in rows])
    shown = tuple(
        Row(
            label=name(row.case),
            guided=row.guided,
            front=fronts[i],
            values=tuple(values[i] for _, values in filled),
            notes=numbers[i],
            problem=None if row.status == "ok" else _problem(row, [row.reason], name),
        )
        for i, row in enumerate(rows)
    )
    return CellTable(
        title=cell_title(first.contest if mixed else first.cell),
        columns=tuple(column for column, _ in filled),
        rows=shown,
        bare=tuple(_problem(row, [row.reason, *row.notes], name) for row in bare),
        notes=tuple(notes),
        uncounted=tuple(_uncounted(row, name) for row in rows if row.flops_unsupported),
    )


def _label_with_runtime(case: Case) -> str:
    return label(case) + _RUNTIMES[case.runtime]


def _problem(row: Measurement, reasons: Sequence[str], name: Callable[[Case], str]) -> Problem:
    said = [reason for reason in reasons if reason] or ["no reason given"]
    return Problem(name(row.case), row.status.replace("_", " "), "; ".join(said))


def _has_figures(row: Measurement) -> bool:
    figures = (row.params, row.flops, row.peak_memory_bytes, row.latency_s)
    return any(figure is not None for figure in figures)


def _uncounted(row: Measurement, name: Callable[[Case], str]) -> str:
    operators = ", ".join(f"{name} ({n}×)" for name, n in sorted(row.flops_unsupported.items()))
    return f"{name(row.case)}: {operators}"


def _published(row: Measurement, miou: Callable[[str], float | None]) -> float | None:
    return miou(row.case.upsampler) if holds_for(row.case) else None


def _fronts(rows: Sequence[Measurement], accuracy: Sequence[float | None]) -> list[Front]:
    """Each row's place: by published mIoU if it has one to be compared, else by memory."""
    by_miou: dict[int, tuple[float, float]] = {}
    by_memory: dict[int, tuple[float, float]] = {}
    for i, (row, percent) in enumerate(zip(rows, accuracy, strict=True)):
        if row.status != "ok" or row.latency_s is None:
            continue
        if percent is not None:
            by_miou[i] = (row.latency_s.median, -percent)
        if row.peak_memory_bytes is not None:
            by_memory[i] = (row.latency_s.median, row.peak_memory_bytes)
    if len({rows[i].peak_memory_kind for i in by_memory}) > 1:
        by_memory = {}
    miou_front, memory_front = _front(by_miou), _front(by_memory)
    rated = set(by_miou) if len(by_miou) > 1 else set()
    return [
        "miou" if i in miou_front else "memory" if i in memory_front - rated else ""
        for i in range(len(rows))
    ]


def _front(points: Mapping[int, tuple[float, float]]) -> set[int]:
    """Which of two or more points are Pareto-optimal; one alone is compared with nothing."""
    if len(points) < 2:
        return set()
    return {i for i, on in zip(points, pareto_front(list(points.values())), strict=True) if on}
