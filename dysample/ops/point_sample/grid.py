"""Positions as the grid that `F.grid_sample` reads at: in [−1, 1], x and y last."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import compute_dtype
from dysample.ops.point_sample.positions import by_pixel, offset_shift, subpixel_start

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
    """Return the positions of DySample as a grid `(NG, sH, sW, 2)`, written in one pass."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    factor, shift = offset_shift(offset, scope, dtype)
    across, down = by_pixel(shift, scale, groups, style).unbind(1)
    grid = torch.empty(n, groups, height, scale, width, scale, 2, dtype=dtype, device=x.device)
    starts = _starts_on_cpu if x.device.type == "cpu" else _starts
    across_from, down_from = starts(height, width, scale, dtype, x.device)
    step_x, step_y = factor * 2 / width, factor * 2 / height
    for column, from_start in enumerate(across_from):
        into_x, into_y = grid[..., column, :].unbind(-1)
        torch.add(from_start, across[..., column], alpha=step_x, out=into_x)
        torch.add(down_from, down[..., column], alpha=step_y, out=into_y)
    return grid.view(n * groups, height * scale, width * scale, 2)


def _starts(
    height: int, width: int, scale: int, dtype: torch.dtype, device: torch.device
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the grid that no offset moves: x for each sub-column, `(W,)`, and y, `(H, s, 1)`."""
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        start = subpixel_start(scale, device).to(dtype)
        columns = torch.arange(width, dtype=dtype, device=device) + 0.5
        rows = torch.arange(height, dtype=dtype, device=device).view(-1, 1, 1) + 0.5
        across = tuple((columns + each) * (2 / width) - 1 for each in start.unbind())
        return across, (rows + start.view(-1, 1)) * (2 / height) - 1


# On small maps these few numbers would take a tenth of the time. On CUDA nothing is kept: a
# graph's memory must not outlive it.
_starts_on_cpu = lru_cache(maxsize=64)(_starts)
