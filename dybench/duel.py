"""Head against base in alternating processes: the measuring half of `check --against`.

The processes are behind a small interface, so that all of this runs on fakes in the tests.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import msgspec

from dybench.case import Case
from dybench.errors import DybenchError
from dybench.result import Measurement
from dybench.verdict import SIDES, Judgement, Rounds, Side, Thresholds, judge_rounds, order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.plan import Plan

FEWEST_PROCESSES = 3  # below, a bootstrap over processes says nothing


class WorkerError(DybenchError):
    """A worker could not do what it was asked to; the process itself lives on."""


class Prepared(msgspec.Struct, frozen=True):
    """What a worker says of a case it has built: where the code is from, seconds a call."""

    file: str
    seconds: float


class Exact(msgspec.Struct, frozen=True):
    """The exact figures of a case, and how far its output is from the naive definition's."""

    row: Measurement
    naive_deviation: float | None


class Worker(Protocol):
    """A process with one revision's upsamplers."""

    def ready(self) -> None:
        """Wait until the process can be asked; several start side by side."""

    def prepare(self, case: Case) -> Prepared:
        """Build and warm up a case."""

    def exact(self) -> Exact:
        """Measure the prepared case's exact figures."""

    def time(self, calls: int, turn: int) -> float:
        """Seconds that `calls` calls of the prepared case take; `turn` chooses the core."""

    def close(self) -> None:
        """End the process."""


class Bout(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case.

    `errors` says which side could not do it and why; `foreign` is the file of code that lies
    outside the repository; `calls` made up a block; `note` says why something is missing.
    """

    case: Case
    base: Exact | None = None
    head: Exact | None = None
    errors: dict[Side, str] = {}
    foreign: str = ""
    calls: int = 1
    rounds: Rounds = Rounds([], [], [])
    judgement: Judgement | None = None
    note: str = ""


class Duel:
    """Measures cases in triples of processes: base, head, and base again as a control.

    Args:
        start: starts a worker of a side.
        plan: how much to measure. deadline: when to stop, by `clock`.
        timed: whether to time at all, or only take the exact figures.
        own: tells whether a file is of the repository under test.
        tell: called with what is being done.
    """

    def __init__(
        self,
        start: Callable[[Side], Worker],
        plan: Plan,
        thresholds: Thresholds,
        *,
        timed: bool = True,
        deadline: float = math.inf,
        own: Callable[[Side, str], bool] = lambda side, file: True,  # noqa: ARG005
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda what: None,  # noqa: ARG005
    ) -> None:
        self._start, self._plan, self._thresholds = start, plan, thresholds
        self._timed, self._deadline, self._own = timed, deadline, own
        self._clock, self._tell = clock, tell

    def fight(self, cases: Sequence[Case]) -> list[Bout]:
        """Measure and judge `cases`."""
        bouts = [Bout(case=case) for case in cases]
        last = self._plan.most_processes if self._timed else 1
        for triple in range(last):
            pending = [i for i, bout in enumerate(bouts) if _is_open(bout)]
            if not pending or (triple and self._clock() > self._deadline):
                break
            self._run_triple(triple, bouts, pending)
            if triple + 1 in self._plan.looks:
                self._judge(bouts, pending)
        if self._timed:
            self._conclude(bouts)
        return bouts

    def _run_triple(self, triple: int, bouts: list[Bout], pending: list[int]) -> None:
        with ExitStack() as stack:
            workers: dict[Side, Worker] = {}
            for side in SIDES if self._timed else SIDES[:2]:
                workers[side] = self._start(side)
                stack.callback(workers[side].close)
            for worker in workers.values():
                worker.ready()
            for number, index in enumerate(pending, start=1):
                case = bouts[index].case
                self._tell(
                    f"processes {triple + 1}: {case.upsampler}, case {number} of {len(pending)}"
                )
                bouts[index] = self._run_case(triple, bouts[index], workers)
                if triple and self._clock() > self._deadline:
                    return

    def _run_case(self, triple: int, bout: Bout, workers: dict[Side, Worker]) -> Bout:
        prepared: dict[Side, Prepared] = {}
        exact: dict[Side, Exact] = {}
        errors: dict[Side, str] = {}
        for side, worker in workers.items():
            first = triple == 0 and side != "control"
            ready = _prepare(worker, bout.case, with_exact=first)
            if isinstance(ready, WorkerError):
                errors[side] = str(ready)
                continue
            prepared[side], figures = ready
            if figures is not None:
                exact[side] = figures
        if triple == 0:
            bout = msgspec.structs.replace(bout, base=exact.get("base"), head=exact.get("head"))
            for side, built in prepared.items():
                if not self._own(side, built.file):
                    return msgspec.structs.replace(bout, foreign=built.file)
        if errors:
            return msgspec.structs.replace(bout, errors=errors)
        if not self._timed:
            return bout
        calls = bout.calls
        if triple == 0:
            calls = max(1, round(self._plan.block_s / max(prepared["base"].seconds, 1e-9)))
        return self._run_rounds(msgspec.structs.replace(bout, calls=calls), workers)

    def _run_rounds(self, bout: Bout, workers: dict[Side, Worker]) -> Bout:
        seconds: dict[Side, list[float]] = {side: [] for side in SIDES}
        for index in range(self._plan.rounds):
            for side in order(index):
                try:
                    block = workers[side].time(bout.calls, turn=index)
                except WorkerError as error:
                    return msgspec.structs.replace(bout, errors={side: str(error)})
                seconds[side].append(block / bout.calls)
        so_far = bout.rounds
        rounds = Rounds(
            base=[*so_far.base, seconds["base"]],
            head=[*so_far.head, seconds["head"]],
            control=[*so_far.control, seconds["control"]],
        )
        return msgspec.structs.replace(bout, rounds=rounds)

    def _judge(self, bouts: list[Bout], pending: list[int]) -> None:
        cases = len(bouts)
        for index in pending:
            bout = bouts[index]
            if _is_open(bout) and len(bout.rounds.base) >= FEWEST_PROCESSES:
                judgement = judge_rounds(bout.rounds, self._thresholds, cases=cases)
                bouts[index] = msgspec.structs.replace(bout, judgement=judgement)

    def _conclude(self, bouts: list[Bout]) -> None:
        """Judge what was measured since the last look, and say what was not."""
        self._judge(bouts, list(range(len(bouts))))
        for index, bout in enumerate(bouts):
            if bout.judgement is None and _is_open(bout):
                done = len(bout.rounds.base)
                note = f"the budget was spent after {done} of {self._plan.processes} processes"
                bouts[index] = msgspec.structs.replace(bout, note=note)


def _prepare(
    worker: Worker, case: Case, *, with_exact: bool
) -> tuple[Prepared, Exact | None] | WorkerError:
    try:
        return worker.prepare(case), worker.exact() if with_exact else None
    except WorkerError as error:
        return error


def _is_open(bout: Bout) -> bool:
    """Whether more processes could still settle it."""
    settled = bout.judgement is not None and bout.judgement.verdict != "unclear"
    return not (settled or bout.errors or bout.foreign)
