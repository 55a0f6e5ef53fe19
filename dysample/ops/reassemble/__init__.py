"""`reassemble`: each output pixel is a weighted sum of a window of low-resolution pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from dysample._checks import check_divisible, check_one_of, check_positive
from dysample.ops._implementation import IMPLEMENTATIONS, chosen, inline, require
from dysample.ops._window import window_scale, window_side
from dysample.ops.reassemble import library
from dysample.ops.reassemble.gather import can_run_gather
from dysample.ops.reassemble.naive import reassemble_naive
from dysample.ops.reassemble.taps import reassemble_taps

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["library", "reassemble"]


def reassemble(
    x: Tensor, kernels: Tensor, *, groups: int = 1, implementation: str | None = None
) -> Tensor:
    """Return `x` with each output pixel the weighted sum of a k × k window around its pixel.

    `x` is `(N, C, H, W)`, `kernels` `(N, groups·k², sH, sW)` with the group slowest, then the
    rows of the window; the result is `(N, C, sH, sW)` in the dtype and layout of `x`. The scale
    s and the odd k follow from the shapes. Taps outside of the map are skipped and the weights
    are not renormalised, so a map of ones under uniform 5 × 5 kernels comes out at 0.6 along the
    border and 0.36 in its corners. Wang et al., CARAFE, ICCV 2019 (arXiv:1905.02188), equation 2.

    Args:
        x: the low-resolution map.
        kernels: the weights, normalised or not; cast to the dtype of `x`.
        groups: groups of consecutive channels, each with kernels of its own.
        implementation: "naive", "torch", "gather" (CPU) or "triton" (CUDA); None for the best
            that can run.

    Raises:
        ValueError: the shapes do not fit, or `implementation` cannot run on them.
    """
    scale = window_scale("x", x, "kernels", kernels)
    check_positive("groups", groups)
    check_divisible("channels of x", x.shape[1], "groups", groups)
    side = window_side("kernels", kernels.shape[1], groups)
    name = chosen(implementation)
    check_one_of("implementation", name, IMPLEMENTATIONS)
    kernels = kernels.to(x.dtype)
    if inline():
        return reassemble_taps(x, kernels, groups, scale, side)
    if name == "naive":
        return reassemble_naive(x, kernels, groups)
    if name == "gather":
        require(name, "reassemble", can_run_gather(x, kernels))
    operator = torch.ops.dysample.reassemble.default
    return cast("Tensor", operator(x, kernels, groups, name))
