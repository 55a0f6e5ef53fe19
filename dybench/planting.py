"""Slowdowns and extra costs put into one operator of a temporary clone, for the study only."""

from __future__ import annotations

import subprocess
import time
from statistics import median
from typing import TYPE_CHECKING

from dybench.errors import DybenchError
from dybench.worktree import git

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "dysample/modules/dysample.py"

# Runs after the class is defined; `WORK` is the number of output values that are worked on again.
SLOWDOWN = """

_unplanted = DySample.forward


def _planted(self, x):
    result = _unplanted(self, x)
    result.view(-1)[:{work}].exp()
    return result


DySample.forward = _planted
"""
EXACT = {
    "allocation": "    result = result + result.new_zeros(result.shape)\n",
    "convolution": "    self.offset(x)\n",
    "product": "    result = result * result.new_ones(1, 1, 1, 1)\n",
}
WRAPPED = """

_unplanted = DySample.forward


def _planted(self, x):
    result = _unplanted(self, x)
{body}    return result


DySample.forward = _planted
"""


def clone(repository: Path, place: Path) -> str:
    """Clone `repository` into `place`; return the commit of its HEAD."""
    git(repository, "clone", "--quiet", "--no-hardlinks", str(repository), str(place))
    for key, value in (("user.name", "study"), ("user.email", "study@localhost")):
        git(place, "config", key, value)
    return git(place, "rev-parse", "HEAD")


def plant(place: Path, base: str, text: str) -> None:
    """Make the clone's HEAD the commit `base` with `text` added to the operator's module."""
    git(place, "checkout", "--quiet", "--detach", "--force", base)
    if not text:
        return
    module = place / MODULE
    module.write_text(module.read_text(encoding="utf-8") + text, encoding="utf-8")
    git(place, "commit", "--quiet", "--no-verify", "--all", "--message", "planted")


def slowdown(work: int) -> str:
    """Text to plant: a further pass over `work` values of the result, in each call."""
    return SLOWDOWN.format(work=work)


def exact(kind: str) -> str:
    """Text to plant: one more allocation, convolution or product."""
    return WRAPPED.format(body=EXACT[kind])


def calibrate(channels: int, side: int, share: float, seconds: float = 4.0) -> tuple[int, float]:
    """How many values of the result to work on so that a call takes `share` longer.

    Measured by the processor time of this thread, so a busy machine does not mislead it.

    Returns:
        The number of values, and the share that it was measured to make.
    """
    import torch

    from dybench.measure import allocator
    from dybench.subject import spread_offsets
    from dysample import DySample

    allocator.keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module, x = DySample(channels).eval(), torch.randn(1, channels, side, side)
    spread_offsets(module, 0.5)
    total = channels * (2 * side) ** 2
    work = round(total * share / 2)
    measured = 0.0
    for _ in range(4):
        measured = _share(module, x, work, seconds / 4)
        if abs(measured / share - 1) < 0.03:
            break
        work = min(max(round(work * share / max(measured, 1e-4)), 1), total)
    return work, measured


def _share(module: object, x: object, work: int, seconds: float) -> float:
    """Processor time of the planted work over that of the call, taken in turns."""
    import torch

    own: list[float] = []
    extra: list[float] = []
    until = time.monotonic() + seconds
    with torch.inference_mode():
        result = module(x)  # type: ignore[operator]
        while time.monotonic() < until:
            start = time.thread_time()
            result = module(x)  # type: ignore[operator]
            middle = time.thread_time()
            result.view(-1)[:work].exp()
            own.append(middle - start)
            extra.append(time.thread_time() - middle)
    if not own or median(own) <= 0:
        raise DybenchError("the processor time of this thread cannot be read")
    return median(extra) / median(own)


def neighbour() -> subprocess.Popen[bytes]:
    """A busy process beside the measured ones: it multiplies matrices without a pause."""
    import sys

    code = "import torch; torch.set_num_threads(1); a = torch.randn(512, 512)\nwhile True: a @ a"
    return subprocess.Popen([sys.executable, "-c", code])  # noqa: S603 - our own interpreter
