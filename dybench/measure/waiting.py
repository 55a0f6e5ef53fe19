"""Timing a thread on a busy machine: the clock on the wall, less the waiting for a core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dybench.measure.timer import CpuTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dybench.measure.timer import Call

# Linux: nanoseconds this thread has run, has been ready but without a core, and how often.
SCHEDSTAT = Path("/proc/thread-self/schedstat")


def waited_s() -> float | None:
    """Seconds that this thread has so far been ready to run but had no core; None if unknown.

    Sleeping, locks and input are not in it: those are the program's own doing.
    """
    try:
        return int(SCHEDSTAT.read_bytes().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return None


class UninterruptedTimer(CpuTimer):
    """Times the calls of one thread as if no neighbour had taken its core.

    With two programs a core, blocks of 100 ms scatter by 5 to 15 % on the wall clock and by 3 %
    so. It suits work in this thread alone: what other threads wait for cannot be told apart.
    """

    def __init__(self, waited: Callable[[], float | None] = waited_s) -> None:
        super().__init__()
        self._waited = waited

    def time(self, call: Call, calls: int) -> float:
        """Seconds that `calls` calls in a row take together, less the waiting for a core."""
        before = self._waited()
        block = super().time(call, calls)
        after = self._waited()
        if before is None or after is None:
            return block
        waited = after - before
        # The two clocks are read one after the other; what is longer than the block is not of it.
        return block - waited if waited < block else block
