"""Which implementation of point sampling runs, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from dysample._checks import check_one_of
from dysample.ops._implementation import IMPLEMENTATIONS, Reason, memory_format, require
from dysample.ops.point_sample.gather import can_run_gather

if TYPE_CHECKING:
    from torch import Tensor


# Below this many channels a group, sorting the readers of each row costs more than it saves.
_MIN_ROW_IN_BACKWARD = 32


class Reading(NamedTuple):
    """What is read of a map: `points` points by each group of `pixels` output pixels."""

    groups: int
    pixels: int
    points: int = 1
    padding: str = "border"
    backward: bool = False

    def total(self) -> int:
        """Return the number of points."""
        return self.groups * self.pixels * self.points


def choose(implementation: str, operator: str, x: Tensor, reading: Reading) -> str:
    """Return the implementation for `reading` points of `x`: the one asked for, or the best.

    Raises:
        ValueError: `implementation` does not exist, or cannot run here.
    """
    if implementation == "auto":
        if gather_pays(x, reading) and _gather_reason(x, reading) is None:
            return "gather"
        return "torch"
    check_one_of("implementation", implementation, IMPLEMENTATIONS)
    if implementation == "gather":
        require(implementation, operator, _gather_reason(x, reading))
    return implementation


def gather_pays(x: Tensor, reading: Reading) -> bool:
    """Whether the weighted gather is faster than `F.grid_sample` on a CPU, as measured.

    It is in channels_last; and with several points a pixel in any layout, since it sums them
    as it reads. Its gradients pay for long rows alone.
    """
    if reading.backward and x.shape[1] // reading.groups < _MIN_ROW_IN_BACKWARD:
        return False
    return reading.points > 1 or memory_format(x) is torch.channels_last


def _gather_reason(x: Tensor, reading: Reading) -> Reason:
    return can_run_gather(x, reading.total(), reading.padding)
