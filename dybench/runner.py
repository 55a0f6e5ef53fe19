"""Walks the cases cell by cell, isolates what fails, and hands out the report after every case."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import torch

from dybench import machine, runtimes
from dybench.measure import allocator, clocks, latency, launches, timer
from dybench.measure.latency import Contestant
from dybench.result import Measurement, Report
from dybench.rows import check_output, measure_static, with_kernels, with_latency
from dybench.sources import Source, describe, resolve
from dybench.subject import Subject, build, make_inputs, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from dybench.case import Case, Cell
    from dybench.conditions import Settings

STATIC_SHARE = 0.3  # of a cell's time, roughly, that goes into everything but the contest


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
            if torch.get_num_threads() != self._threads:
                self._note_rows(cell, "an upsampler changed torch's thread count during the run")
                torch.set_num_threads(self._threads)
            self._save(self.report(complete=number + 1 == len(self._cells)))
            del subjects  # or the next cell's memory would have this one's in it
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
            module = build(
                case,
                source,
                device=device,
                seed=self._settings.seed,
                offset_std=self._settings.offset_std,
            )
            inputs = make_inputs(
                case, guided=source.guided, device=device, seed=self._settings.seed
            )
            subject = prepare(case, module, inputs)
            check_output(case, subject)
            return Contestant(name, subject.call)
        except Exception as error:  # noqa: BLE001 - it may be a plug-in, which may raise anything
            self._note_rows(cell, f"no ratios: {name} cannot run here: {describe(error)}")
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
