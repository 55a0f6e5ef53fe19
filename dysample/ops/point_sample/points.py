"""`point_sample` in one Triton kernel, and its gradients in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._triton import (
    ceil_div,
    channels_a_program,
    dense,
    is_channels_last,
    map_tile,
    needs_long,
    on_device,
)
from dysample.ops.point_sample.fused import accumulator, in_dtype

if TYPE_CHECKING:
    from torch import Tensor

    from dysample.ops._triton import Tile


def point_sample_fused(
    x: Tensor, positions: Tensor, weights: Tensor | None, padding: str
) -> Tensor:
    """Return `x` read at `positions`, `(N, C, Ho, Wo)`."""
    from dysample.ops.point_sample.points_kernels import points_kernel

    x, positions = dense(x), positions.contiguous()
    weights = None if weights is None else weights.contiguous()
    n, channels, height, width = x.shape
    groups, (out_height, out_width) = positions.shape[2], positions.shape[-2:]
    shape = (n, channels, out_height, out_width)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    tile = _tile(x, groups, out_width)
    programs = tile.programs(n, out_height, out_width, groups)
    share = channels_a_program(programs, channels // groups, tile.channels)
    with on_device(x):
        points_kernel[(programs * ceil_div(channels // groups, share),)](
            x,
            positions,
            positions if weights is None else weights,
            out,
            height,
            width,
            out_height,
            out_width,
            **_geometry(x, positions, weights, padding),
            **tile.arguments(),
            share=share,
            long=needs_long(x, positions, out),
            enable_fp_fusion=True,
        )
    return out


def point_sample_backward_fused(
    gradient: Tensor,
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None,
    padding: str,
    needed: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of `x`, `positions` and `weights`, as far as they are `needed`."""
    from dysample.ops.point_sample.points_kernels import points_backward_kernel

    kind = x.dtype
    x, positions = dense(x), positions.contiguous()
    weights = None if weights is None else weights.contiguous()
    gradient = dense(gradient, memory_format(x))
    n, channels, height, width = x.shape
    groups, (out_height, out_width) = positions.shape[2], positions.shape[-2:]
    of_positions = torch.empty_like(positions) if needed[1] else None
    of_weights = torch.empty_like(weights) if needed[2] and weights is not None else None
    total, unit = accumulator(gradient, x, weights) if needed[0] else (None, None)
    tile = _tile(x, groups, out_width)
    if unit is not None and is_channels_last(x):
        tile = tile.halved()  # sums in 64 bits
    programs = tile.programs(n, out_height, out_width, groups)
    share = channels // groups
    if of_positions is None and of_weights is None:
        share = channels_a_program(programs, share, tile.channels)
    with on_device(x):
        points_backward_kernel[(programs * ceil_div(channels // groups, share),)](
            gradient,
            x,
            positions,
            positions if weights is None else weights,
            x if total is None else total,
            positions if of_positions is None else of_positions,
            positions if of_weights is None else of_weights,
            x if unit is None else unit,
            height,
            width,
            out_height,
            out_width,
            **_geometry(x, positions, weights, padding),
            need_x=total is not None,
            need_positions=of_positions is not None,
            need_weights=of_weights is not None,
            **tile.arguments(),
            share=share,
            long=needs_long(x, positions, gradient),
            enable_fp_fusion=True,
        )
    return in_dtype(total, unit, kind), of_positions, of_weights


def _tile(x: Tensor, groups: int, out_width: int) -> Tile:
    return map_tile(is_channels_last(x), out_width, x.shape[1] // groups, groups, x.itemsize)


def _geometry(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> dict[str, int]:
    groups = positions.shape[2]
    return {
        "channels": x.shape[1] // groups,
        "groups": groups,
        "points": 1 if weights is None else positions.shape[3],
        "weighted": weights is not None,
        "zeros": padding == "zeros",
        "x_last": is_channels_last(x),
    }
