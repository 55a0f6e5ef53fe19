"""The affinity as a torch operator, `dysample::affinity`, whatever implementation runs."""

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
from dysample.ops.affinity.dispatch import run_affinity
from dysample.ops.reassemble.dispatch import run_adjoint, run_reassemble

if TYPE_CHECKING:
    from torch import Tensor

LIBRARY.define("affinity(Tensor query, Tensor key, int kernel_size, str implementation) -> Tensor")
LIBRARY.define(
    "affinity_backward(Tensor gradient, Tensor query, Tensor key, str implementation, "
    "bool[] needed) -> (Tensor, Tensor)"
)


def _affinity(query: Tensor, key: Tensor, kernel_size: int, implementation: str) -> Tensor:
    return run_affinity(query, key, kernel_size, 1, implementation)


def _affinity_fake(query: Tensor, _key: Tensor, kernel_size: int, *_: object) -> Tensor:
    size = (query.shape[0], kernel_size**2, query.shape[2], query.shape[3])
    layout = memory_format(query)
    return torch.empty(size, dtype=query.dtype, device=query.device, memory_format=layout)


def _backward(
    gradient: Tensor, query: Tensor, key: Tensor, implementation: str, needed: list[bool]
) -> tuple[Tensor, Tensor]:
    # The affinity is what the reassembly has for a gradient in its kernels, so its gradients
    # are the reassembly of the key under the incoming gradient, and that reassembly's adjoint.
    of_query = of_key = query.new_empty(0)
    if needed[0]:
        source = key.contiguous(memory_format=memory_format(query))
        of_query = run_reassemble(source, gradient, 1, implementation)
    if needed[1]:
        of_key = run_adjoint(query, key, gradient, 1, implementation)
    return of_query, of_key


def _backward_fake(
    gradient: Tensor,  # noqa: ARG001
    query: Tensor,
    key: Tensor,
    implementation: str,  # noqa: ARG001
    needed: list[bool],
) -> tuple[Tensor, Tensor]:
    of_query = of_key = query.new_empty(0)
    if needed[0]:
        of_query = torch.empty_like(query, memory_format=memory_format(query))
    if needed[1]:
        of_key = torch.empty_like(key, memory_format=memory_format(key))
    return of_query, of_key


def _autograd(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
    needed = list(ctx.needs_input_grad[:2])
    _, implementation = ctx.settings
    of_query, of_key = torch.ops.dysample.affinity_backward.default(
        gradient, *ctx.saved_tensors, implementation, needed
    )
    return of_query if needed[0] else None, of_key if needed[1] else None, None, None


register("affinity", _affinity, _affinity_fake, save_two, _autograd)
register_batches("affinity")
register("affinity_backward", _backward, _backward_fake, save_nothing, no_second_derivative)
