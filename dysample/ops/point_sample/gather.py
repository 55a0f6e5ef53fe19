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
    places = _positions_last(positions, x)
    indices, shares = bilinear_taps(x, places, groups, padding)
    if weights is not None:
        by_point = shares.view(*places.shape[1:], 4)
        by_point *= weights.permute(0, 3, 4, 1, 2).unsqueeze(-1)
    return _sum_rows(x, indices, shares, groups, positions.shape[-2:])


def offset_sample(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at the offsets of DySample."""
    places = offset_places(x, offset, scope, scale, groups, style)
    indices, shares = bilinear_taps(x, places, groups, "border")
    del places
    return _sum_rows(x, indices, shares, groups, (x.shape[2] * scale, x.shape[3] * scale))


def bilinear_taps(x: Tensor, places: Tensor, groups: int, padding: str) -> tuple[Tensor, Tensor]:
    """Return the rows that points read and their shares, each `(N·Ho·Wo·G, P·4)`.

    `places` is `(2, N, Ho, Wo, G, P)`, x and y, contiguous, and overwritten. The four taps are
    the pixel above left, its right neighbour, and the two below.
    """
    height, width = x.shape[2:]
    right, below = (groups if width > 1 else 0), (width * groups if height > 1 else 0)
    first, near, far = _split(places, width, height, padding)
    rows = _number_rows(first, groups, width, height).view(-1)
    indices = torch.empty(rows.shape[0], 4, dtype=rows.dtype)
    for tap, step in zip(indices.unbind(1), (0, right, below, right + below), strict=True):
        torch.add(rows, step, out=tap)
    shares = torch.empty(rows.shape[0], 4, dtype=places.dtype)
    left, upper = near.view(2, -1).unbind(0)
    across, down = far.view(2, -1).unbind(0)
    pairs = ((upper, left), (upper, across), (down, left), (down, across))
    for tap, (vertical, horizontal) in zip(shares.unbind(1), pairs, strict=True):
        torch.mul(vertical, horizontal, out=tap)
    points = places.shape[-1]
    return indices.view(-1, 4 * points), shares.view(-1, 4 * points)


def _split(places: Tensor, width: int, height: int, padding: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first of the two pixels around each place, its share, and the other's share.

    The first pixel is at most the last but one, so its neighbour is always one step away.
    """
    margin = 1 if padding == "zeros" else 0
    _clamp_(places, -margin, width - 1 + margin, height - 1 + margin)
    first = places.to(torch.int32)
    _clamp_(first, 0, max(width - 2, 0), max(height - 2, 0))
    places -= first
    if padding == "border":
        return first, 1 - places, places
    return first, (1 - places.abs()).clamp_(min=0), (1 - (places - 1).abs()).clamp_(min=0)


def _clamp_(places: Tensor, low: int, high_x: int, high_y: int) -> None:
    if high_x == high_y:
        places.clamp_(low, high_x)
    else:
        places[0].clamp_(low, high_x)
        places[1].clamp_(low, high_y)


def _number_rows(first: Tensor, groups: int, width: int, height: int) -> Tensor:
    """Return the numbers in `rows_of` of the pixels `first`, which is overwritten."""
    _, n, _, out_width, _, points = first.shape
    column, row = first.unbind(0)
    number = row.mul_(width * groups).add_(column, alpha=groups)
    group = torch.arange(groups, dtype=first.dtype).view(-1, 1).expand(out_width, -1, points)
    number.view(n, -1, out_width * groups * points).add_(group.reshape(-1))
    if n > 1:
        image = torch.arange(n, dtype=first.dtype) * (height * width * groups)
        number.add_(image.view(-1, 1, 1, 1, 1))
    return number


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


def _positions_last(positions: Tensor, x: Tensor) -> Tensor:
    """Return positions as a fresh tensor `(2, N, Ho, Wo, G, P)`."""
    if positions.dim() == 5:
        positions = positions.unsqueeze(3)
    ordered = positions.permute(1, 0, 4, 5, 2, 3)
    return torch.empty(ordered.shape, dtype=compute_dtype(x)).copy_(ordered)


def offset_places(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return the positions of DySample as a fresh tensor `(2, N, sH, sW, G, 1)`."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    factor, shift = (0.25, offset) if scope is None else (1.0, offset_shift(offset, scope, dtype))
    ordered = by_pixel(shift, scale, groups, style).permute(1, 0, 3, 4, 5, 6, 2)
    places = torch.empty(ordered.shape, dtype=dtype)
    if style == "lp":
        # One sub-column and group at a time: the inner loops then run along a row of pixels, not
        # along the few groups, which is twice as fast.
        for by_group, into in zip(ordered.unbind(-2), places.unbind(-2), strict=True):
            for part, out in zip(by_group.unbind(-1), into.unbind(-1), strict=True):
                torch.mul(part, factor, out=out)
    else:
        torch.mul(ordered, factor, out=places)
    places = places.view(2, n, height * scale, width * scale * groups)
    start = subpixel_start(scale).to(dtype)
    columns = torch.arange(width, dtype=dtype).view(-1, 1, 1) + start.view(-1, 1)
    rows = torch.arange(height, dtype=dtype).view(-1, 1) + start
    across, down = places.unbind(0)
    across.add_(columns.expand(-1, -1, groups).reshape(-1))
    down.add_(rows.view(-1, 1))
    return places.view(2, n, height * scale, width * scale, groups, 1)
