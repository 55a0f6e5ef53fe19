"""The reassembly in one Triton kernel, and its adjoint in another, which gathers as well.

Neither takes memory beside its result, and both sum in a fixed order.
"""

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
    window_tile,
)

if TYPE_CHECKING:
    from torch import Tensor


def reassemble_fused(x: Tensor, kernels: Tensor, groups: int, scale: int, side: int) -> Tensor:
    """Return the reassembly of `x`, `(N, C, sH, sW)`."""
    from dysample.ops.reassemble.triton_kernels import reassemble_kernel

    x, kernels = dense(x), dense(kernels)
    n, channels, height, width = x.shape
    last = is_channels_last(x)
    shape = (n, channels, height * scale, width * scale)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))
    tile, subs, blocks = window_tile(last, width, channels // groups, groups, scale, x.itemsize)
    programs = blocks * tile.programs(n, height, width if last else width * scale, groups)
    share = channels_a_program(programs, channels // groups, tile.channels)
    with on_device(x):
        reassemble_kernel[(programs * ceil_div(channels // groups, share),)](
            x,
            kernels,
            out,
            height,
            width,
            channels=channels // groups,
            groups=groups,
            scale=scale,
            side=side,
            last=last,
            kernels_last=is_channels_last(kernels),
            subs=subs,
            blocks=blocks,
            **tile.arguments(),
            share=share,
            long=needs_long(kernels, out),
            enable_fp_fusion=True,
        )
    return out


def reassemble_adjoint_fused(
    gradient: Tensor, kernels: Tensor, groups: int, scale: int, side: int
) -> Tensor:
    """Return the gradient of the reassembly in `x`, `(N, C, H, W)`."""
    from dysample.ops.reassemble.triton_kernels import adjoint_kernel

    gradient, kernels = dense(gradient), dense(kernels)
    layout = memory_format(gradient)
    n, channels, height, width = gradient.shape
    shape = (n, channels, height // scale, width // scale)
    out = torch.empty(shape, dtype=gradient.dtype, device=gradient.device, memory_format=layout)
    last = is_channels_last(gradient)
    tile = map_tile(last, shape[3], channels // groups, groups, gradient.itemsize)
    programs = tile.programs(n, shape[2], shape[3], groups)
    share = channels_a_program(programs, channels // groups, tile.channels)
    with on_device(gradient):
        adjoint_kernel[(programs * ceil_div(channels // groups, share),)](
            gradient,
            kernels,
            out,
            shape[2],
            shape[3],
            channels=channels // groups,
            groups=groups,
            scale=scale,
            side=side,
            last=last,
            kernels_last=is_channels_last(kernels),
            **tile.arguments(),
            share=share,
            long=needs_long(kernels, gradient),
            enable_fp_fusion=True,
        )
    return out
