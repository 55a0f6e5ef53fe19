"""Point sampling out of torch's own operators, for any device, dtype and layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import compute_dtype, memory_format
from dysample.ops.point_sample.grid import offset_grid, position_grid
from dysample.ops.point_sample.positions import offset_gradients

if TYPE_CHECKING:
    from torch import Tensor

_PADDING_MODES = {"zeros": 0, "border": 1}  # the numbering of aten::grid_sampler_2d


def point_sample(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at `positions`, one `F.grid_sample` a point."""
    n, channels = x.shape[:2]
    out_height, out_width = positions.shape[-2:]
    groups = positions.shape[2]
    maps = _maps(x, groups)
    if weights is None:
        out = _read(maps, position_grid(positions, x), padding)
    else:
        out = maps.new_zeros(n * groups, channels // groups, out_height, out_width)
        for point in range(positions.shape[3]):
            weight = weights[:, :, point].reshape(n * groups, 1, out_height, out_width)
            out = out + _read(maps, position_grid(positions[:, :, :, point], x), padding) * weight
    out = out.reshape(n, channels, out_height, out_width).to(x.dtype)
    return out.contiguous(memory_format=memory_format(x))


def offset_sample(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at the offsets of DySample, by one `F.grid_sample`."""
    n, channels, height, width = x.shape
    parts = _parts(x, groups)
    grid = offset_grid(x, offset, scope, scale, groups, style)
    if parts > 1:
        grid = grid.repeat_interleave(parts, 0)
    out = _read(_maps(x, groups * parts), grid, "border")
    out = out.view(n, channels, height * scale, width * scale).to(x.dtype)
    return out.contiguous(memory_format=memory_format(x))


def point_sample_backward(
    gradient: Tensor,
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None,
    padding: str,
    needed: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of `x`, `positions` and `weights`, as far as they are `needed`."""
    groups = positions.shape[2]
    maps, received = _maps(x, groups), _maps(gradient, groups, compute_dtype(x))
    if weights is None:
        grid = position_grid(positions, x)
        of_maps, of_positions = _read_backward(received, maps, grid, groups, padding, needed)
        if of_positions is not None:
            of_positions = of_positions.to(positions.dtype)
        return _like(of_maps, x), of_positions, None
    of_x: Tensor | None = None
    of_positions = torch.empty_like(positions) if needed[1] else None
    of_weights = torch.empty_like(weights) if needed[2] else None
    for point in range(positions.shape[3]):
        where = positions[:, :, :, point]
        weight = weights[:, :, point].to(maps.dtype)
        if of_weights is not None:
            read = _read(maps, position_grid(where, x), padding)
            of_weights[:, :, point] = (read * received).sum(1).view(weight.shape)
        weighted = received * weight.reshape(-1, 1, *weight.shape[2:])
        grid = position_grid(where, x)
        of_maps, of_point = _read_backward(weighted, maps, grid, groups, padding, needed)
        if of_maps is not None:
            of_x = of_maps if of_x is None else of_x + of_maps
        if of_positions is not None and of_point is not None:
            of_positions[:, :, :, point] = of_point
    return _like(of_x, x), of_positions, of_weights


def offset_sample_backward(
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
    maps, received = _maps(x, groups), _maps(gradient, groups, compute_dtype(x))
    grid = offset_grid(x, offset, scope, scale, groups, style)
    through = [needed[0], needed[1] or needed[2]]
    of_maps, of_positions = _read_backward(received, maps, grid, groups, "border", through)
    of_x = _like(of_maps, x)
    if of_positions is None:
        return of_x, None, None
    of_offset, of_scope = offset_gradients(of_positions, offset, scope, scale, groups, style)
    return of_x, of_offset if needed[1] else None, of_scope if needed[2] else None


def _maps(x: Tensor, groups: int, dtype: torch.dtype | None = None) -> Tensor:
    n, channels, height, width = x.shape
    dtype = compute_dtype(x) if dtype is None else dtype
    return x.to(dtype).reshape(n * groups, channels // groups, height, width)


def _like(gradient: Tensor | None, x: Tensor) -> Tensor | None:
    if gradient is None:
        return None
    return gradient.reshape(x.shape).to(x.dtype).contiguous(memory_format=memory_format(x))


def _parts(x: Tensor, groups: int) -> int:
    """Return into how many parts to cut each group, so that every thread of a CPU gets one.

    `F.grid_sample` on the CPU runs one thread for each map of the batch.
    """
    if x.device.type != "cpu" or x.shape[0] == 0:
        return 1
    wanted = torch.get_num_threads() / (x.shape[0] * groups)
    channels = x.shape[1] // groups
    return next(
        k for k in range(1, channels + 1) if channels % k == 0 and k >= min(wanted, channels)
    )


def _read(maps: Tensor, grid: Tensor, padding: str) -> Tensor:
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _read_backward(
    gradient: Tensor, maps: Tensor, grid: Tensor, groups: int, padding: str, needed: list[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `maps`, and of the positions `(N, 2, G, Ho, Wo)` behind `grid`."""
    if not any(needed[:2]):
        return None, None
    of_maps, of_grid = torch.ops.aten.grid_sampler_2d_backward(
        gradient, maps, grid, 0, _PADDING_MODES[padding], False, needed[:2]
    )
    if not needed[1]:
        return of_maps, None
    images, (height, width) = maps.shape[0] // groups, maps.shape[2:]
    of_positions = of_grid.view(images, groups, *grid.shape[1:]).permute(0, 4, 1, 2, 3)
    of_positions[:, 0].mul_(2 / width)
    of_positions[:, 1].mul_(2 / height)
    return (of_maps if needed[0] else None), of_positions
