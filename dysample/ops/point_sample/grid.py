"""Positions as the grid that `F.grid_sample` reads at: in [−1, 1], x and y last."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import compute_dtype
from dysample.ops.point_sample.positions import (
    by_pixel,
    kept_for,
    offset_shift,
    subpixel_start,
)

if TYPE_CHECKING:
    from torch import Tensor


def position_grid(positions: Tensor, x: Tensor) -> Tensor:
    """Return positions `(N, 2, G, Ho, Wo)` in pixels as a grid `(NG, Ho, Wo, 2)` in [−1, 1]."""
    height, width = x.shape[2:]
    across, down = positions.to(compute_dtype(x)).unbind(1)
    across = across * (2 / width) + (1 / width - 1)
    down = down * (2 / height) + (1 / height - 1)
    split = (-1, *positions.shape[-2:])
    return torch.stack((across.reshape(split), down.reshape(split)), -1)


def offset_grid(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return the positions of DySample as a grid `(NG, sH, sW, 2)`."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    factor, shift = offset_shift(offset, scope, dtype)
    if kept_for(shift):
        grid = _grid_by_index(shift, factor, scale, groups, style, dtype)
    else:
        grid = _grid_by_column(by_pixel(shift, scale, groups, style), factor, dtype)
    return grid.view(n * groups, height * scale, width * scale, 2)


def _grid_by_column(ordered: Tensor, factor: float, dtype: torch.dtype) -> Tensor:
    """Return the grid `(N, G, H, s, W, s, 2)` of offsets `(N, 2, G, H, s, W, s)`, in one pass."""
    n, _, groups, height, scale, width, _ = ordered.shape
    across, down = ordered.unbind(1)
    grid = ordered.new_empty((n, groups, height, scale, width, scale, 2), dtype=dtype)
    starts = _starts_on_cpu if ordered.device.type == "cpu" else _starts
    across_from, down_from = starts(height, width, scale, dtype, ordered.device)
    step_x, step_y = factor * 2 / width, factor * 2 / height
    for column, from_start in enumerate(across_from.unbind()):
        into_x, into_y = grid[..., column, :].unbind(-1)
        torch.add(from_start, across[..., column], alpha=step_x, out=into_x)
        torch.add(down_from, down[..., column], alpha=step_y, out=into_y)
    return grid


def _starts(
    height: int, width: int, scale: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the grid that no offset moves: x by sub-column, `(s, W)`, and y, `(H, s, 1)`."""
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        start = subpixel_start(scale, device).to(dtype).view(-1, 1)
        columns = torch.arange(width, dtype=dtype, device=device) + 0.5
        rows = torch.arange(height, dtype=dtype, device=device).view(-1, 1, 1) + 0.5
        return (columns + start) * (2 / width) - 1, (rows + start) * (2 / height) - 1


# So few numbers that they may be kept for large maps too; not on CUDA, see `kept_for`.
_starts_on_cpu = lru_cache(maxsize=64)(_starts)


def _grid_by_index(
    shift: Tensor, factor: float, scale: int, groups: int, style: str, dtype: torch.dtype
) -> Tensor:
    """Return the same, flat, by a kept index into the offsets: faster on small maps."""
    order, starts, steps = _order_starts_and_steps(shift.shape, scale, groups, style, dtype)
    grid = shift.reshape(-1).index_select(0, order).to(dtype)
    return torch.addcmul(starts, grid, steps, value=factor, out=grid)


@lru_cache(maxsize=16)
def _order_starts_and_steps(
    shape: torch.Size, scale: int, groups: int, style: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each coordinate of the grid, flat, which of the offsets of `shape` moves it.

    And where it starts, and how far an offset of one pixel moves it.
    """
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        cpu = torch.device("cpu")
        number = torch.arange(shape.numel(), device=cpu).view(shape)
        order = by_pixel(number, scale, groups, style).permute(0, 2, 3, 4, 5, 6, 1).reshape(-1)
        still = by_pixel(torch.zeros(shape, dtype=dtype, device=cpu), scale, groups, style)
        height, width = still.shape[3], still.shape[5]
        steps = torch.tensor((2 / width, 2 / height), dtype=dtype, device=cpu)
        starts = _grid_by_column(still, 0, dtype).view(-1)
        return order, starts, steps.repeat(order.numel() // 2)
