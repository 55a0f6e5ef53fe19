"""The reassembly as k² shifted multiply-adds: any device, dtype and layout, and exportable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import inline, memory_format
from dysample.ops._window import accumulator_dtype, split_pixels

if TYPE_CHECKING:
    from torch import Tensor


def reassemble_taps(x: Tensor, kernels: Tensor, groups: int, scale: int, side: int) -> Tensor:
    """Return the reassembly of `x`; beside the result it holds one padded copy of `x`."""
    n, c, h, w = x.shape
    r, dtype = side // 2, accumulator_dtype(x)
    padded = torch.unflatten(F.pad(x.to(dtype), (r, r, r, r)), 1, (groups, c // groups))
    weights = torch.unflatten(split_pixels(kernels, scale), 1, (groups, side * side))
    shape = (n, h, scale, w, scale, groups, c // groups)
    if memory_format(x) is torch.channels_last:
        out = x.new_zeros(shape, dtype=dtype).permute(0, 5, 6, 1, 2, 3, 4)
    else:
        out = x.new_zeros((n, *shape[5:], *shape[1:5]), dtype=dtype)
    for tap in range(side * side):
        u, v = divmod(tap, side)
        source = padded[..., u : u + h, None, v : v + w, None]
        weight = weights[:, :, None, tap].to(dtype)
        if inline():  # torch 2.6 cannot export addcmul where sizes vary
            out = out + source * weight
        else:
            out.addcmul_(source, weight)
    return out.reshape(n, c, h * scale, w * scale).to(x.dtype)


def reassemble_adjoint_taps(
    grad: Tensor, kernels: Tensor, groups: int, scale: int, side: int
) -> Tensor:
    """Return the gradient of the reassembly in `x`, `(N, C, H, W)`."""
    n, c, height, width = grad.shape
    h, w = height // scale, width // scale
    dtype = accumulator_dtype(grad)
    weights = torch.unflatten(split_pixels(kernels, scale), 1, (groups, side * side))
    split = torch.unflatten(split_pixels(grad, scale), 1, (groups, c // groups))
    out = torch.empty(
        (n, c, h + side - 1, w + side - 1),
        dtype=dtype,
        device=grad.device,
        memory_format=memory_format(grad),
    ).zero_()
    grouped = torch.unflatten(out, 1, (groups, c // groups))
    for tap in range(side * side):
        u, v = divmod(tap, side)
        share = torch.sum(split * weights[:, :, None, tap].to(dtype), (4, 6))
        grouped[..., u : u + h, v : v + w] += share
    r = side // 2
    inside = out[:, :, r : r + h, r : r + w].to(grad.dtype)
    return inside.contiguous(memory_format=memory_format(grad))
