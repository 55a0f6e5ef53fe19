"""Which implementation of point sampling runs, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample._checks import check_one_of
from dysample.ops._implementation import memory_format, require
from dysample.ops.point_sample.gather import can_run_gather

if TYPE_CHECKING:
    from torch import Tensor

IMPLEMENTATIONS = ("auto", "naive", "torch", "gather", "triton")


def choose(
    implementation: str, operator: str, x: Tensor, points: int, padding: str = "border"
) -> str:
    """Return the implementation for `points` points of `x`: the one asked for, or the best.

    Raises:
        ValueError: `implementation` does not exist, or cannot run on `x`.
    """
    if implementation == "auto":
        if gather_pays(x) and can_run_gather(x, points, padding) is None:
            return "gather"
        return "torch"
    check_one_of("implementation", implementation, IMPLEMENTATIONS)
    if implementation == "gather":
        require(implementation, operator, can_run_gather(x, points, padding))
    if implementation == "triton":
        require(implementation, operator, "its kernels read DySample's offsets, not positions")
    return implementation


def gather_pays(x: Tensor) -> bool:
    """Whether the weighted gather is faster for `x` than `F.grid_sample`, as measured."""
    return memory_format(x) is torch.channels_last
