"""`affinity`: inner products of each output pixel with a window of low-resolution pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from dysample._checks import check_map, check_odd, check_one_of
from dysample.ops._implementation import IMPLEMENTATIONS, chosen, inline, require
from dysample.ops._window import window_scale
from dysample.ops.affinity import library
from dysample.ops.affinity.gather import can_run_gather
from dysample.ops.affinity.naive import affinity_naive
from dysample.ops.affinity.taps import affinity_taps

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["affinity", "library"]


def affinity(
    query: Tensor, key: Tensor, *, kernel_size: int, implementation: str | None = None
) -> Tensor:
    """Return the inner products of each output pixel with the k × k window around its pixel.

    `query` is `(N, D, sH, sW)`, `key` `(N, D, H, W)`; the result is `(N, k², sH, sW)`, rows of
    the window first, in the dtype and layout of `query`. The scale s follows from the shapes.
    Taps outside of the map give 0, and nothing is divided by √D. Lu et al., SAPA, NeurIPS 2022
    (arXiv:2209.12866).

    Args:
        query: the high-resolution embedding.
        key: the low-resolution embedding; cast to the dtype of `query`.
        kernel_size: the side k of the window, odd.
        implementation: "naive", "torch", "gather" (CPU) or "triton" (CUDA); None for the best
            that can run.

    Raises:
        ValueError: the shapes do not fit, or `implementation` cannot run on them.
    """
    scale = window_scale("key", key, "query", query)
    check_map("query", query, key.shape[1])
    check_odd("kernel_size", kernel_size)
    name = chosen(implementation)
    check_one_of("implementation", name, IMPLEMENTATIONS)
    key = key.to(query.dtype)
    if inline():
        return affinity_taps(query, key, kernel_size, 1, scale)
    if name == "naive":
        return affinity_naive(query, key, kernel_size)
    if name == "gather":
        require(name, "affinity", can_run_gather(key))
    operator = torch.ops.dysample.affinity.default
    return cast("Tensor", operator(query, key, kernel_size, name))
