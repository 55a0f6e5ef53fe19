"""`offset_sample` in one Triton kernel, and its gradients in another.

No positions are stored: beside its results the forward pass takes no memory, and the backward
pass a float32 copy of the map's gradient (int64 where determinism is asked for).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._triton import (
    Tile,
    ceil_div,
    channels_a_program,
    dense,
    is_channels_last,
    map_tile,
    needs_long,
    on_device,
)

if TYPE_CHECKING:
    from torch import Tensor

# The deterministic sum of the map's gradient counts in units of 2⁻³⁶ of the largest share: finer
# than float32 rounds, and 2²⁷ shares fit into 64 bits.
_UNIT_BITS = 36


def offset_sample_fused(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return `x` read at the offsets, `(N, C, sH, sW)`."""
    from dysample.ops.point_sample.triton_kernels import forward_kernel

    x, offset, scope = _dense(x, offset, scope)
    n, channels, height, width = x.shape
    shape = (n, channels, height * scale, width * scale)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    tile = _tile(x, groups, scale)
    programs = tile.programs(n, height * scale, width * scale, groups)
    share = channels_a_program(programs, channels // groups, tile.channels)
    with on_device(x):
        forward_kernel[(programs * ceil_div(channels // groups, share),)](
            x,
            offset,
            offset if scope is None else scope,
            out,
            height,
            width,
            **_geometry(x, offset, scope, scale, groups, style),
            **tile.arguments(),
            share=share,
            long=needs_long(x, offset, out),
            enable_fp_fusion=True,
        )
    return out


def offset_sample_backward_fused(
    gradient: Tensor,
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None,
    scale: int,
    groups: int,
    style: str,
    needed: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of `x`, `offset` and `scope`, as far as they are `needed`."""
    from dysample.ops.point_sample.triton_kernels import backward_kernel

    kind = x.dtype
    x, offset, scope = _dense(x, offset, scope)
    gradient = dense(gradient, memory_format(x))
    n, channels, height, width = x.shape
    need_x, need_offset, need_scope = needed[0], needed[1], needed[2] and scope is not None
    of_offset = offset.new_empty(offset.shape) if need_offset else None
    of_scope = scope.new_empty(scope.shape) if need_scope and scope is not None else None
    total, unit = accumulator(gradient, x) if need_x else (None, None)
    tile = _tile(x, groups, scale)
    if unit is not None and is_channels_last(x):
        tile = tile.halved()  # sums in 64 bits
    programs = tile.programs(n, height * scale, width * scale, groups)
    share = channels // groups
    if not (need_offset or need_scope):
        share = channels_a_program(programs, share, tile.channels)
    with on_device(x):
        backward_kernel[(programs * ceil_div(channels // groups, share),)](
            gradient,
            x,
            offset,
            offset if scope is None else scope,
            x if total is None else total,
            offset if of_offset is None else of_offset,
            offset if of_scope is None else of_scope,
            x if unit is None else unit,
            height,
            width,
            **_geometry(x, offset, scope, scale, groups, style),
            need_x=need_x,
            need_offset=need_offset,
            need_scope=need_scope,
            **tile.arguments(),
            share=share,
            long=needs_long(x, offset, gradient),
            enable_fp_fusion=True,
        )
    return in_dtype(total, unit, kind), of_offset, of_scope


def _dense(x: Tensor, offset: Tensor, scope: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    offset = dense(offset)
    return dense(x), offset, None if scope is None else dense(scope, memory_format(offset))


def _tile(x: Tensor, groups: int, scale: int) -> Tile:
    channels, width = x.shape[1] // groups, x.shape[3] * scale
    return map_tile(is_channels_last(x), width, channels, groups, x.itemsize)


def _geometry(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> dict[str, int]:
    return {
        "channels": x.shape[1] // groups,
        "groups": groups,
        "scale": scale,
        "lp": style == "lp",
        "dynamic": scope is not None,
        "x_last": is_channels_last(x),
        "offset_last": is_channels_last(offset),
    }


def accumulator(
    gradient: Tensor, x: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return zeros to add the map's gradient up in, and what one is in their unit.

    Floating-point sums depend on the order in which the atomic additions arrive, and integer sums
    do not: where determinism is asked for, shares are rounded to multiples of a power of two.

    Args:
        gradient: what the output received; a share is at most its largest value,
        x: the map,
        weights: times the largest of these, if there are any.
    """
    layout = memory_format(x)
    if not torch.are_deterministic_algorithms_enabled():
        total = torch.zeros_like(x, dtype=torch.float32, memory_format=layout)
        return total, None
    total = torch.zeros_like(x, dtype=torch.int64, memory_format=layout)
    largest = torch.linalg.vector_norm(gradient, float("inf"), dtype=torch.float32)
    if weights is not None:
        largest = largest * torch.linalg.vector_norm(weights, float("inf"), dtype=torch.float32)
    bits = _UNIT_BITS - torch.frexp(largest).exponent.clamp_(min=-80)
    unit = torch.ldexp(torch.ones_like(largest), bits)
    return total, torch.where(largest.isfinite(), unit, float("nan"))


def in_dtype(total: Tensor | None, unit: Tensor | None, kind: torch.dtype) -> Tensor | None:
    """Return what was added up in `accumulator`, in the dtype of the map; None for nothing."""
    if total is None:
        return None
    if unit is None:
        return total.to(kind)
    return (total.double() / unit).to(kind)
