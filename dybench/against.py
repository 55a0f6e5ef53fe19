"""`check --against`: worktrees of two revisions, worker processes in them, and what came of it."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dybench import plan
from dybench.duel import Duel
from dybench.errors import DybenchError
from dybench.processes import Process
from dybench.result import Latency, Measurement, Report
from dybench.settings import GATE_THREADS, CheckSettings, seconds
from dybench.statistics import median_interval
from dybench.worktree import checkout, commit_of, is_clean, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dybench.case import Case
    from dybench.duel import Bout
    from dybench.verdict import Side


class Trees(NamedTuple):
    """Where the two revisions lie: the roots, and the folder within them that was asked from."""

    base: Path
    head: Path
    prefix: Path
    head_is_checkout: bool

    def root(self, side: Side) -> Path:
        """The root of a side's tree; the control is base once more."""
        return self.head if side == "head" else self.base

    def owns(self, side: Side, file: str) -> bool:
        """Whether `file` is of that side's tree, not of what is installed."""
        return Path(file).resolve().is_relative_to(self.root(side).resolve())

    def start(self, side: Side, *, source: Sequence[str], threads: int, seed: int = 0) -> Process:
        """Start a worker in a side's tree."""
        folder = self.root(side) / self.prefix
        sources = [place for name in source if (place := (folder / name).resolve()).is_dir()]
        return Process(folder, sources, threads=threads, seed=seed)


@contextmanager
def trees(folder: Path, revision: str) -> Iterator[Trees]:
    """Check out `revision` and HEAD while the block lasts.

    A working tree with changes stands for itself instead of HEAD: it is what one wants judged.

    Raises:
        DybenchError: if `folder` is in no repository, or there is no such revision.
    """
    root = root_of(folder)
    prefix = folder.resolve().relative_to(root)
    commit_of(root, revision)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dybench-")))
        base = stack.enter_context(checkout(root, revision, place / "base"))
        clean = is_clean(root)
        head = stack.enter_context(checkout(root, "HEAD", place / "head")) if clean else root
        if not (base / prefix).is_dir():
            raise DybenchError(f"{revision} has no folder {prefix}")
        yield Trees(base, head, prefix, clean)


def fight(
    folder: Path,
    settings: CheckSettings,
    cases: Sequence[Case],
    *,
    timed: bool,
    tell: Callable[[str], None],
) -> list[Bout]:
    """Measure `cases` on the settings' revision and on what is here, within the budget."""
    started = time.monotonic()
    budget_s = seconds("--budget", settings.budget)
    thresholds = settings.thresholds()
    revision = settings.against or "HEAD"
    threads = settings.threads or GATE_THREADS
    chosen = plan.fit(budget_s, len(cases))
    if timed:
        for line in plan.promise(chosen, thresholds, cases=len(cases), budget_s=budget_s):
            tell(line)
    with trees(folder, revision) as both:
        head = "HEAD" if both.head_is_checkout else "the working tree, which has changes,"
        tell(f"{head} against {revision}, {threads} thread{'s' * (threads != 1)} an operator")
        duel = Duel(
            lambda side: both.start(side, source=settings.source, threads=threads),
            chosen,
            thresholds,
            timed=timed,
            deadline=started + budget_s,
            own=both.owns,
            tell=tell,
        )
        bouts = duel.fight(cases)
    scatters = [bout.judgement.scatter for bout in bouts if bout.judgement]
    if scatters:
        tell(plan.experience(chosen, thresholds, cases=len(cases), scatters=scatters))
    return bouts


def report_of(bouts: Sequence[Bout], command: str) -> Report:
    """Head's figures as a report, for the exports."""
    return Report(
        created=datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        command=command,
        complete=True,
        measurements=[_row(bout) for bout in bouts],
    )


def _row(bout: Bout) -> Measurement:
    if bout.head is None:
        reason = bout.errors.get("head") or bout.note or bout.foreign
        return Measurement(case=bout.case, status="failed", reason=reason)
    samples = [seconds for process in bout.rounds.head for seconds in process]
    if not samples:
        return bout.head.row
    interval = median_interval(samples)
    latency = Latency(
        median=interval.estimate, low=interval.low, high=interval.high, samples=samples
    )
    return msgspec.structs.replace(bout.head.row, latency_s=latency)
