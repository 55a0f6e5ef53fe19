"""From the offsets of DySample to positions, and from their gradients back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import compute_dtype

if TYPE_CHECKING:
    from torch import Tensor


def subpixel_start(scale: int, device: torch.device | None = None) -> Tensor:
    """Return where the `scale` sub-pixels of a pixel start: `(b + ½)/s − ½`, in float32.

    These are the numbers in the `init_pos` buffer of every checkpoint. Unit: low-res pixels.
    """
    step = torch.arange(scale, dtype=torch.float32, device=device)
    return (step - (scale - 1) / 2) / scale


def offset_shift(offset: Tensor, scope: Tensor | None, dtype: torch.dtype) -> tuple[float, Tensor]:
    """Return a factor and a map: their product is how far positions move, in pixels.

    The map is in the channel order of `offset`. The factor is left to the caller, who has a sum
    to make anyway.
    """
    if scope is None:
        return 0.25, offset
    return 0.5, offset.to(dtype) * scope.to(dtype).sigmoid()


# 16 bytes each at most.
_KEPT_OFFSETS = 1 << 17


def kept_for(offsets: Tensor) -> bool:
    """Whether what depends on the shape of `offsets` alone is kept between calls.

    It is for small maps on a CPU. On CUDA nothing is: a graph's memory must not outlive it.
    """
    return offsets.device.type == "cpu" and offsets.numel() <= _KEPT_OFFSETS


def by_pixel(maps: Tensor, scale: int, groups: int, style: str) -> Tensor:
    """View offsets of either style as `(N, 2, groups, H, s, W, s)`: output rows, then columns."""
    n, _, height, width = maps.shape
    if style == "lp":
        return maps.view(n, 2, groups, scale, scale, height, width).permute(0, 1, 2, 5, 3, 6, 4)
    return maps.view(n, 2, groups, height // scale, scale, width // scale, scale)


def offset_positions(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return the positions that the offsets of DySample stand for, `(N, 2, groups, sH, sW)`."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    factor, shift = offset_shift(offset, scope, dtype)
    shift = by_pixel(shift.to(dtype) * factor, scale, groups, style)
    start = subpixel_start(scale, x.device).to(dtype)
    columns = torch.arange(width, dtype=dtype, device=x.device).view(-1, 1) + start
    rows = torch.arange(height, dtype=dtype, device=x.device).view(-1, 1) + start
    px = shift[:, 0] + columns
    py = shift[:, 1] + rows.view(height, scale, 1, 1)
    return torch.stack((px, py), 1).view(n, 2, groups, height * scale, width * scale)


def offset_gradients(
    gradient: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of `offset` and `scope`, given that of the positions."""
    n, _, _, out_height, out_width = gradient.shape
    if style == "lp":
        split = (n, 2, groups, out_height // scale, scale, out_width // scale, scale)
        gradient = gradient.view(split).permute(0, 1, 2, 4, 6, 3, 5)
    gradient = gradient.reshape(offset.shape).contiguous()
    of_offset = (gradient * _factor(scope, gradient.dtype)).to(offset.dtype)
    if scope is None:
        return of_offset, None
    gate = scope.to(gradient.dtype).sigmoid()
    of_scope = gradient * offset.to(gradient.dtype) * (0.5 * gate * (1 - gate))
    return of_offset, of_scope.to(scope.dtype)


def _factor(scope: Tensor | None, dtype: torch.dtype) -> Tensor | float:
    return 0.25 if scope is None else scope.to(dtype).sigmoid() * 0.5
