"""What must be said under a figure: machine, cell, date, sources, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dybench.views.figure.select import CELL_NOTE, describe_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

    from dybench.case import Cell
    from dybench.result import Report
    from dybench.views.figure.metrics import Metric
    from dybench.views.figure.select import Row


UNNAMED = "unnamed machine"


@dataclass(frozen=True)
class Drawing:
    """A figure, and what its reader should know that it does not show."""

    figure: Figure
    notes: tuple[str, ...]


def machine_name(report: Report, device: str) -> str:
    """The processor or accelerator that the report's rows of `device` ran on."""
    if not device.startswith("cuda"):
        return str(report.machine.get("cpu") or UNNAMED)
    gpus = report.machine.get("gpus")
    index = int(device.partition(":")[2] or 0)
    if not isinstance(gpus, list) or index >= len(gpus) or not isinstance(gpus[index], dict):
        return UNNAMED
    return str(gpus[index].get("name") or UNNAMED)


def describe_report(report: Report, device: str) -> str:
    """Machine, device, threads and date in one phrase."""
    threads = report.machine.get("threads")
    on = f"{device}, {threads} threads" if threads and device == "cpu" else device
    broken_off = "" if report.complete else ", run not complete"
    return f"{machine_name(report, device)} ({on}), {report.created[:10]}{broken_off}"


def sentences_of(notes: Iterable[str]) -> list[str]:
    """Notes as sentences of a caption, which has named the cell already."""
    told = (note for note in notes if not note.startswith(CELL_NOTE))
    return [f"{note[0].upper()}{note[1:]}." for note in told]


def measured_on(reports: Sequence[Report], cells: Sequence[Cell | None]) -> str:
    """The sentence on what was measured, where and when."""
    shown = [(r, c) for r, c in zip(reports, cells, strict=True) if c is not None]
    sentence = f"Measured: {describe_cell(shown[0][1])}; "
    if len(shown) == 1:
        return sentence + describe_report(shown[0][0], shown[0][1].device) + "."
    letters = [f"[{chr(65 + n)}] {describe_report(r, c.device)}" for n, (r, c) in enumerate(shown)]
    return sentence + "; ".join(letters) + "."


def without_metric(rows: Iterable[Row], metric: Metric) -> list[str]:
    """Titles of the ok rows that have no value of this metric."""
    return [
        row.title
        for row in rows
        if row.measurement.status == "ok" and metric.value(row.measurement) is None
    ]


def not_measured(rows: Iterable[Row]) -> list[str]:
    """One note for all rows that are not ok, with the status of each."""
    bad = [row for row in rows if row.measurement.status != "ok"]
    if not bad:
        return []
    words = (f"{row.title} ({row.measurement.status.replace('_', ' ')})" for row in bad)
    return [f"not measured: {', '.join(words)}"]


def memory_kinds(rows: Iterable[Row]) -> str:
    """How peak memory was had, as one sentence; empty if no row has it."""
    kinds = sorted({row.measurement.peak_memory_kind or "" for row in rows} - {""})
    if not kinds:
        return ""
    return f"Peak memory ({', '.join(kinds)}): above what was live before the call."
