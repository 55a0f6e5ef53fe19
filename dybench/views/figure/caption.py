"""What must be said under a figure: machine, cell, date, sources, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dybench.views.cells import PARTIAL_MARK, PARTIAL_MEANING
from dybench.views.figure.metrics import is_lower_bound
from dybench.views.figure.select import CELL_NOTE, describe_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


def describe_report(report: Report, devices: Iterable[str], date: str) -> str:
    """Machine, devices, threads and date in one phrase."""
    threads = report.machine.get("threads")
    many = "1 thread" if threads == 1 else f"{threads} threads"
    on = [
        f"{machine_name(report, d)} ({f'{d}, {many}' if threads and d == 'cpu' else d})"
        for d in devices
    ]
    broken_off = "" if report.complete else ", run not complete"
    return f"{', '.join(on)}, {date}{broken_off}"


def dates_of(reports: Sequence[Report]) -> list[str]:
    """When each was made: the day, and as much of the time as tells it from the others."""
    created = [report.created.replace("T", " ") for report in reports]
    lengths = (len("2026-03-01"), len("2026-03-01 12:00"), len("2026-03-01 12:00:00"), None)

    def shortest(number: int) -> str:
        others = created[:number] + created[number + 1 :]
        forms = [(created[number][:n], [other[:n] for other in others]) for n in lengths]
        return next((form for form, rest in forms if form not in rest), forms[-2][0])

    return [shortest(number) for number in range(len(created))]


def list_reports(reports: Sequence[Report], devices: Mapping[int, Iterable[str]]) -> str:
    """The reports of which something is drawn, by number, each with its devices.

    They have the letters of the key if they are several.
    """
    dates = dates_of([reports[number] for number in devices])
    phrases = [
        (f"[{letter(number)}] " if len(devices) > 1 else "")
        + describe_report(reports[number], on, date)
        for (number, on), date in zip(devices.items(), dates, strict=True)
    ]
    return "; ".join(phrases) + "."


def letter(report: int) -> str:
    """What stands for a report in a figure of several."""
    return chr(ord("A") + report)


def sentences_of(notes: Iterable[str]) -> list[str]:
    """Notes as sentences of a caption, which has named the cell already."""
    told = (note for note in notes if not note.startswith(CELL_NOTE))
    return [f"{note[0].upper()}{note[1:]}." for note in told]


def measured_on(reports: Sequence[Report], cells: Sequence[Cell | None]) -> str:
    """The sentence on what was measured, where and when."""
    shown = {number: cell for number, cell in enumerate(cells) if cell is not None}
    devices = {number: [cell.device] for number, cell in shown.items()}
    first = next(iter(shown.values()))
    return f"Measured: {describe_cell(first)}; {list_reports(reports, devices)}"


def without_metric(rows: Iterable[Row], metric: Metric) -> list[str]:
    """Titles of the ok rows that have no value of this metric."""
    return [
        row.title
        for row in rows
        if row.measurement.status == "ok" and metric.value(row.measurement) is None
    ]


def not_measured(rows: Iterable[Row]) -> list[str]:
    """One note for all rows that are not ok, each title once with what became of it."""
    bad: dict[str, list[str]] = {}
    for row in rows:
        if row.measurement.status != "ok":
            bad.setdefault(row.title, []).append(row.measurement.status.replace("_", " "))
    words = (f"{title} ({', '.join(dict.fromkeys(found))})" for title, found in bad.items())
    return [f"not measured: {', '.join(words)}"] if bad else []


def lower_bounds(rows: Iterable[Row], metrics: Iterable[Metric]) -> list[str]:
    """One note on the values that leave operators out, naming those of each upsampler."""
    wanted = list(metrics)
    uncounted: dict[str, dict[str, int]] = {}
    for row in rows:
        if any(is_lower_bound(metric, row.measurement) for metric in wanted):
            uncounted.setdefault(row.title, {}).update(row.measurement.flops_unsupported)
    words = (f"{title}: {', '.join(sorted(names))}" for title, names in uncounted.items())
    return [f"{PARTIAL_MARK} {PARTIAL_MEANING} ({'; '.join(words)})"] if uncounted else []


def memory_kinds(rows: Iterable[Row]) -> str:
    """How peak memory was had, as one sentence; empty if no row has it."""
    kinds = sorted({row.measurement.peak_memory_kind or "" for row in rows} - {""})
    if not kinds:
        return ""
    return f"Peak memory ({', '.join(kinds)}): above what was live before the call."
