"""Which implementation of the reassembly and of its adjoint runs, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysample.ops._implementation import memory_format
from dysample.ops._triton import takes_triton
from dysample.ops._window import window_side
from dysample.ops.reassemble.fused import reassemble_adjoint_fused, reassemble_fused
from dysample.ops.reassemble.gather import (
    can_run_gather,
    reassemble_adjoint_gather,
    reassemble_gather,
)
from dysample.ops.reassemble.taps import reassemble_adjoint_taps, reassemble_taps

if TYPE_CHECKING:
    from torch import Tensor


def run_reassemble(x: Tensor, kernels: Tensor, groups: int, implementation: str) -> Tensor:
    """Return the reassembly by the best implementation that can run and is allowed."""
    scale, side = _geometry(x, kernels, groups)
    if takes_triton(implementation, "reassemble", x, kernels):
        return reassemble_fused(x, kernels, groups, scale, side)
    if implementation != "torch" and can_run_gather(x, kernels) is None:
        return reassemble_gather(x, kernels, groups, scale, side)
    return reassemble_taps(x, kernels, groups, scale, side)


def run_adjoint(
    grad: Tensor, x: Tensor, kernels: Tensor, groups: int, implementation: str
) -> Tensor:
    """Return the gradient in `x` by the best implementation that can run and is allowed."""
    scale, side = _geometry(x, kernels, groups)
    grad = grad.contiguous(memory_format=memory_format(x))
    if takes_triton(implementation, "reassemble", grad, kernels):
        return reassemble_adjoint_fused(grad, kernels, groups, scale, side)
    if implementation != "torch" and can_run_gather(grad, kernels) is None:
        return reassemble_adjoint_gather(grad, kernels, groups, scale, side)
    return reassemble_adjoint_taps(grad, kernels, groups, scale, side)


def _geometry(x: Tensor, kernels: Tensor, groups: int) -> tuple[int, int]:
    return kernels.shape[2] // x.shape[2], window_side("kernels", kernels.shape[1], groups)
