"""Shapes and indices of the k × k window of low-resolution pixels around an output pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample._checks import check_map

if TYPE_CHECKING:
    from torch import Tensor


def window_scale(x_name: str, x: Tensor, large_name: str, large: Tensor) -> int:
    """Return s where `large` is `(N, ·, sH, sW)` and `x` is `(N, C, H, W)`, or raise."""
    check_map(x_name, x)
    check_map(large_name, large)
    n, _, h, w = x.shape
    if large.shape[0] != n:
        raise ValueError(
            f"`{large_name}` (shape {tuple(large.shape)}) must have the batch size "
            f"of `{x_name}` (={n})"
        )
    if h < 1 or w < 1:
        raise ValueError(f"`{x_name}` (shape {tuple(x.shape)}) must have at least one pixel")
    scale = large.shape[2] // h
    if scale < 1 or large.shape[2] != scale * h or large.shape[3] != scale * w:
        raise ValueError(
            f"`{large_name}` (shape {tuple(large.shape)}) must be the same whole number of times "
            f"as high and as wide as `{x_name}` (shape {tuple(x.shape)})"
        )
    return int(scale)


def window_side(name: str, channels: int, groups: int) -> int:
    """Return k where `channels` is groups · k² and k is odd, or raise."""
    # Not math.isqrt, which does not compile in torch 2.6; int, for a tracer hands over a tensor.
    side: int = round(int(channels // groups) ** 0.5)
    if side % 2 == 0 or groups * side * side != channels:
        raise ValueError(
            f"`{name}` (={channels} channels) must have groups · k² channels, "
            f"for `groups` (={groups}) and an odd k"
        )
    return side


def tap_range(tap: int, side: int, length: int) -> tuple[int, int]:
    """Return the range of pixels, of `length`, whose tap number `tap` lies on the map."""
    shift = tap - side // 2
    return min(length, max(0, -shift)), max(0, min(length, length - shift))


def tap_pixels(height: int, width: int, side: int, device: torch.device) -> Tensor:
    """Return the flat index of every tap of every low-resolution pixel, clamped to the map.

    `(H, W, k, k)`, int32.
    """
    shift = torch.arange(side, dtype=torch.int32, device=device) - side // 2
    rows = torch.arange(height, dtype=torch.int32, device=device)[:, None] + shift
    columns = torch.arange(width, dtype=torch.int32, device=device)[:, None] + shift
    rows = rows.clamp_(0, height - 1)[:, None, :, None]
    columns = columns.clamp_(0, width - 1)[None, :, None, :]
    return rows * width + columns


def split_pixels(x: Tensor, scale: int) -> Tensor:
    """Return `(N, C, sH, sW)` as `(N, C, H, s, W, s)`, a view."""
    return torch.unflatten(torch.unflatten(x, 3, (-1, scale)), 2, (-1, scale))


def accumulator_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype to sum in: float32 for half precision, else that of `x`."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
