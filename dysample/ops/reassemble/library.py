"""The reassembly as a torch operator, `dysample::reassemble`, whatever implementation runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._library import (
    LIBRARY,
    Context,
    no_second_derivative,
    register,
    register_batches,
    save_nothing,
    save_two,
)
from dysample.ops._window import window_side
from dysample.ops.affinity.dispatch import run_affinity
from dysample.ops.reassemble.dispatch import run_adjoint, run_reassemble

if TYPE_CHECKING:
    from torch import Tensor

LIBRARY.define("reassemble(Tensor x, Tensor kernels, int groups, str implementation) -> Tensor")
LIBRARY.define(
    "reassemble_backward(Tensor gradient, Tensor x, Tensor kernels, int groups, "
    "str implementation, bool[] needed) -> (Tensor, Tensor)"
)


def _reassemble_fake(x: Tensor, kernels: Tensor, *_: object) -> Tensor:
    size = (x.shape[0], x.shape[1], kernels.shape[2], kernels.shape[3])
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=memory_format(x))


def _backward(
    gradient: Tensor,
    x: Tensor,
    kernels: Tensor,
    groups: int,
    implementation: str,
    needed: list[bool],
) -> tuple[Tensor, Tensor]:
    of_x = of_kernels = x.new_empty(0)
    if needed[0]:
        of_x = run_adjoint(gradient, x, kernels, groups, implementation)
    if needed[1]:
        # The affinity of the incoming gradient with the map.
        side = window_side("kernels", kernels.shape[1], groups)
        layout = memory_format(kernels)
        gradient = gradient.contiguous(memory_format=layout)
        of_kernels = run_affinity(gradient, x, side, groups, implementation)
    return of_x, of_kernels


def _backward_fake(
    gradient: Tensor,  # noqa: ARG001
    x: Tensor,
    kernels: Tensor,
    groups: int,  # noqa: ARG001
    implementation: str,  # noqa: ARG001
    needed: list[bool],
) -> tuple[Tensor, Tensor]:
    of_x = of_kernels = x.new_empty(0)
    if needed[0]:
        of_x = torch.empty_like(x, memory_format=memory_format(x))
    if needed[1]:
        of_kernels = torch.empty_like(kernels, memory_format=memory_format(kernels))
    return of_x, of_kernels


def _autograd(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
    needed = list(ctx.needs_input_grad[:2])
    of_x, of_kernels = torch.ops.dysample.reassemble_backward.default(
        gradient, *ctx.saved_tensors, *ctx.settings, needed
    )
    return of_x if needed[0] else None, of_kernels if needed[1] else None, None, None


register("reassemble", run_reassemble, _reassemble_fake, save_two, _autograd)
register_batches("reassemble")
register("reassemble_backward", _backward, _backward_fake, save_nothing, no_second_derivative)
