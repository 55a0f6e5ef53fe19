"""Point sampling on the CPU as a weighted gather of rows.

In channels_last memory a pixel's channel group is one contiguous row, so reading a point is a sum
of four rows by bilinear weights, which is what `F.embedding_bag` computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import Reason, compute_dtype, memory_format
from dysample.ops.point_sample.positions import by_pixel, offset_shift, subpixel_start

if TYPE_CHECKING:
    from torch import Tensor


def can_run_gather(x: Tensor, padding: str = "border") -> Reason:
    """Return why the weighted gather cannot read `x`, or None."""
    if x.device.type != "cpu":
        return f"it needs a CPU tensor, not {x.device.type}"
    if x.numel() == 0:
        return "it needs at least one element"
    if padding == "zeros" and min(x.shape[2:]) < 2:
        return "with zeros padding it needs a map of at least 2 × 2 pixels"
    return None


def point_sample(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at `positions`."""
    groups = positions.shape[2]
    px, py = _points_last(positions, x)
    points = 1 if weights is None else weights.shape[2]
    indices, shares = bilinear_taps(x, px, py, groups, points, padding)
    if weights is not None:
        by_point = shares.view(*px.shape, 4)
        by_point *= weights.permute(0, 3, 4, 1, 2).unsqueeze(-1)
    return _sum_rows(x, indices, shares, groups, positions.shape[-2:])


def offset_sample(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at the offsets of DySample."""
    px, py = _offset_points(x, offset, scope, scale, groups, style)
    indices, shares = bilinear_taps(x, px, py, groups, 1, "border")
    del px, py
    return _sum_rows(x, indices, shares, groups, (x.shape[2] * scale, x.shape[3] * scale))


def bilinear_taps(
    x: Tensor, px: Tensor, py: Tensor, groups: int, points: int, padding: str
) -> tuple[Tensor, Tensor]:
    """Return the rows that points read and their shares, each `(N·Ho·Wo·G, P·4)`.

    `px` and `py` are `(N, Ho, Wo, G, P)`, contiguous, and overwritten. The four taps are the
    pixel above left, its right neighbour, and the two below.
    """
    n, _, height, width = x.shape
    right, below = (groups if width > 1 else 0), (width * groups if height > 1 else 0)
    column, left = _split(px, width, padding)
    row, upper = _split(py, height, padding)
    first = row.mul_(width * groups).add_(column, alpha=groups)
    _add_row_of_group(first, groups, points, height * width * groups)
    flat = first.view(-1)
    indices = torch.empty(flat.shape[0], 4, dtype=flat.dtype)
    for tap, step in enumerate((0, right, below, right + below)):
        torch.add(flat, step, out=indices[:, tap])
    shares = torch.empty(flat.shape[0], 4, dtype=px.dtype)
    for tap, (down, across) in enumerate((a, b) for a in upper for b in left):
        torch.mul(down.view(-1), across.view(-1), out=shares[:, tap])
    return indices.view(-1, 4 * points), shares.view(-1, 4 * points)


def _split(position: Tensor, size: int, padding: str) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the first of the two pixels around each position, and the shares of both.

    The first pixel is at most the last but one, so its neighbour is always one step away.
    """
    last = max(size - 2, 0)
    if padding == "border":
        position.clamp_(0, size - 1)
        first = position.to(torch.int32).clamp_(0, last)
        position -= first
        return first, (1 - position, position)
    position.clamp_(-1, size)
    first = position.to(torch.int32).clamp_(0, last)
    position -= first
    return first, ((1 - position.abs()).clamp_(min=0), (1 - (position - 1).abs()).clamp_(min=0))


def _add_row_of_group(first: Tensor, groups: int, points: int, image_rows: int) -> None:
    """Add to the rows `(N, Ho, Wo, G, P)` the number of the group and the start of the image."""
    n, _, out_width = first.shape[:3]
    group = torch.arange(groups, dtype=first.dtype).repeat_interleave(points).repeat(out_width)
    by_image = first.view(n, -1, group.shape[0])
    by_image += group
    if n > 1:
        by_image += torch.arange(0, n * image_rows, image_rows, dtype=first.dtype).view(-1, 1, 1)


def _sum_rows(
    x: Tensor, indices: Tensor, shares: Tensor, groups: int, size: tuple[int, ...]
) -> Tensor:
    n, channels = x.shape[:2]
    out = F.embedding_bag(indices, rows_of(x, groups), mode="sum", per_sample_weights=shares)
    out = out.view(n, *size, channels).permute(0, 3, 1, 2)
    return out.to(x.dtype).contiguous(memory_format=memory_format(x))


def rows_of(x: Tensor, groups: int) -> Tensor:
    """Return `x` of `(N, C, H, W)` as rows `(N·H·W·G, C/G)`; in channels_last, without a copy."""
    pixels = x.to(compute_dtype(x)).permute(0, 2, 3, 1)
    return pixels.reshape(-1, x.shape[1] // groups)


def _points_last(positions: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y of positions as two fresh tensors `(N, Ho, Wo, G, P)`."""
    if positions.dim() == 5:
        positions = positions.unsqueeze(3)
    ordered = positions.permute(1, 0, 4, 5, 2, 3)
    fresh = torch.empty(ordered.shape, dtype=compute_dtype(x)).copy_(ordered)
    px, py = fresh.unbind(0)
    return px, py


def _offset_points(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> tuple[Tensor, Tensor]:
    """Return x and y of the positions of DySample, each `(N, sH, sW, G, 1)`."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    shift = by_pixel(offset_shift(offset, scope, dtype), scale, groups, style)
    px, py = shift.permute(1, 0, 3, 4, 5, 6, 2).contiguous().unbind(0)
    start = subpixel_start(scale).to(dtype)
    columns = torch.arange(width, dtype=dtype).view(-1, 1, 1) + start.view(-1, 1)
    px.view(n, height * scale, -1).add_(columns.expand(-1, -1, groups).reshape(-1))
    rows = torch.arange(height, dtype=dtype).view(-1, 1) + start
    py.view(n, height * scale, -1).add_(rows.view(-1, 1))
    shape = (n, height * scale, width * scale, groups, 1)
    return px.view(shape), py.view(shape)
