"""The definition of point sampling, which every other implementation is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import compute_dtype, laid_out
from dysample.ops.point_sample.positions import subpixel_start

if TYPE_CHECKING:
    from torch import Tensor


def point_sample(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    """Read `x` bilinearly at `positions`, pixel by pixel of four around each."""
    if weights is None:
        positions, weights = (
            positions.unsqueeze(3),
            positions.new_ones(()).expand(positions[:, 0].unsqueeze(2).shape),
        )
    n, _, groups, points, out_height, out_width = positions.shape
    channels, height, width = x.shape[1:]
    pixels = x.reshape(n, groups, channels // groups, height, width).to(compute_dtype(x))
    image = torch.arange(n, device=x.device).view(-1, 1, 1, 1, 1)
    group = torch.arange(groups, device=x.device).view(-1, 1, 1, 1)
    px, py = positions.to(pixels.dtype).unbind(1)
    if padding == "border":
        px, py = _clamped(px, width), _clamped(py, height)
    across, down = px - px.floor(), py - py.floor()
    out = pixels.new_zeros(n, groups, points, out_height, out_width, channels // groups)
    for dy in (0, 1):
        for dx in (0, 1):
            tx, ty = px.floor().long() + dx, py.floor().long() + dy
            inside = (tx >= 0) & (tx < width) & (ty >= 0) & (ty < height)
            tap = pixels[image, group, :, ty.clamp(0, height - 1), tx.clamp(0, width - 1)]
            share = (across if dx else 1 - across) * (down if dy else 1 - down) * inside
            out = out + tap * share.unsqueeze(-1)
    out = (out * weights.to(out.dtype).unsqueeze(-1)).sum(2)
    out = out.movedim(-1, 2).reshape(n, channels, out_height, out_width).to(x.dtype)
    return laid_out(out, x)


def _clamped(position: Tensor, length: int) -> Tensor:
    """Clamp to the map; a position at or beyond the centre of a border pixel has no gradient."""
    free = (position > 0) & (position < length - 1)
    return torch.where(free, position, position.detach().clamp(0, length - 1))


def offset_sample(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Read `x` at the offsets of DySample, one sub-position (a, b) of the scale at a time."""
    n, channels, height, width = x.shape
    dtype = compute_dtype(x)
    factor = 0.25 if scope is None else 0.5 * scope.to(dtype).sigmoid()
    shift = offset.to(dtype) * factor
    rows = torch.arange(height, dtype=dtype, device=x.device).view(-1, 1)
    columns = torch.arange(width, dtype=dtype, device=x.device)
    start = subpixel_start(scale, x.device)
    read = []
    for a in range(scale):
        for b in range(scale):
            if style == "lp":
                part = shift.view(n, 2, groups, scale, scale, height, width)[:, :, :, a, b]
            else:
                part = shift.view(n, 2, groups, height * scale, width * scale)
                part = part[..., a::scale, b::scale]
            px = columns + start[b] + part[:, 0]
            py = rows + start[a] + part[:, 1]
            read.append(point_sample(x, torch.stack((px, py), 1), None, "border"))
    out = torch.stack(read).view(scale, scale, n, channels, height, width)
    out = out.permute(2, 3, 4, 0, 5, 1).reshape(n, channels, height * scale, width * scale)
    return laid_out(out, x)
