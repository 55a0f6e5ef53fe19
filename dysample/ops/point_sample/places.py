"""Where the weighted gather reads: positions in the order of its output, `(2, N, Ho, Wo, G, P)`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import compute_dtype
from dysample.ops.point_sample.positions import (
    by_pixel,
    kept_for,
    offset_positions,
    offset_shift,
    subpixel_start,
)

if TYPE_CHECKING:
    from torch import Tensor


def fresh_places(positions: Tensor, x: Tensor) -> Tensor:
    """Return positions as a fresh tensor `(2, N, Ho, Wo, G, P)`."""
    if positions.dim() == 5:
        positions = positions.unsqueeze(3)
    ordered = positions.permute(1, 0, 4, 5, 2, 3)
    return torch.empty(ordered.shape, dtype=compute_dtype(x), device=x.device).copy_(ordered)


def offset_places(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return the positions of DySample as a fresh tensor `(2, N, sH, sW, G, 1)`."""
    n, _, height, width = x.shape
    dtype = compute_dtype(x)
    factor, shift = offset_shift(offset, scope, dtype)
    if kept_for(shift):
        return _move_by_index(shift, factor, scale, groups, style, dtype)
    ordered = by_pixel(shift, scale, groups, style).permute(1, 0, 3, 4, 5, 6, 2)
    places = torch.empty(ordered.shape, dtype=dtype, device=x.device)
    if style == "lp":
        _move_by_column(ordered, factor, places)
    else:
        _move(ordered, factor, places)
    return places.view(2, n, height * scale, width * scale, groups, 1)


def _move_by_index(
    shift: Tensor, factor: float, scale: int, groups: int, style: str, dtype: torch.dtype
) -> Tensor:
    """Return where the points lie: on small maps, three times as fast as the strided ways below."""
    order, starts = _order_and_starts(shift.shape, scale, groups, style, dtype)
    ordered = shift.permute(0, 2, 3, 1).reshape(-1).index_select(0, order)
    places = ordered.view(starts.shape).to(dtype)
    return torch.add(starts, places, alpha=factor, out=places)


@lru_cache(maxsize=16)
def _order_and_starts(
    shape: torch.Size, scale: int, groups: int, style: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return which of the offsets `(N, H, W, C)` each coordinate takes, and where it starts.

    The first is flat; the second, `(2, N, sH, sW, G, 1)`, is where points lie that none moves.
    """
    n, channels, height, width = shape
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        cpu = torch.device("cpu")
        number = torch.arange(shape.numel(), device=cpu).view(n, height, width, channels)
        by_group = by_pixel(number.permute(0, 3, 1, 2), scale, groups, style)
        order = by_group.permute(1, 0, 3, 4, 5, 6, 2).reshape(-1)
        split = scale if style == "pl" else 1  # "pl" has its offsets at high resolution
        like = torch.empty(n, groups, height // split, width // split, dtype=dtype, device=cpu)
        still = torch.zeros(shape, dtype=dtype, device=cpu)
        starts = offset_positions(like, still, None, scale, groups, style)
        return order, starts.permute(1, 0, 3, 4, 2).unsqueeze(-1).contiguous()


def _move_by_column(ordered: Tensor, factor: float, places: Tensor) -> None:
    """Write where the points of "lp" lie, one sub-column and group at a time.

    The inner loops then run along a row of pixels, not along the few groups: twice as fast.
    """
    height, scale, width = ordered.shape[2:5]
    starts = _KEPT_STARTS if height * width <= _KEPT_PIXELS else _starts_by_column
    unmoved = starts(height, width, scale, places.dtype)
    for start, by_group, into in zip(unmoved, ordered.unbind(-2), places.unbind(-2), strict=True):
        for part, out in zip(by_group.unbind(-1), into.unbind(-1), strict=True):
            torch.add(start, part, alpha=factor, out=out)


def _move(ordered: Tensor, factor: float, places: Tensor) -> None:
    """Write where the points of "pl" lie: a column of groups at a time is fast enough there."""
    _, n, height, scale, width, _, groups = ordered.shape
    torch.mul(ordered, factor, out=places)
    columns, rows = _unmoved(height, width, scale, groups, places.dtype)
    across, down = places.view(2, n, height * scale, width * scale * groups).unbind(0)
    across.add_(columns)
    down.add_(rows)


# Starts of maps of up to so many pixels are kept between calls, 16 bytes a pixel and sub-pixel.
_KEPT_PIXELS = 1 << 16


def _starts_by_column(
    height: int, width: int, scale: int, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """Return where points lie that no offset moves, `(2, 1, H, s, W)` for each sub-column."""
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        cpu = torch.device("cpu")
        start = subpixel_start(scale, cpu).to(dtype)
        columns = torch.arange(width, dtype=dtype, device=cpu)
        rows = (torch.arange(height, dtype=dtype, device=cpu).view(-1, 1) + start).unsqueeze(-1)
        shape = (height, scale, width)
        return tuple(
            torch.stack(((columns + each).expand(shape), rows.expand(shape))).unsqueeze(1)
            for each in start.unbind()
        )


_KEPT_STARTS = lru_cache(maxsize=16)(_starts_by_column)


@lru_cache(maxsize=16)
def _unmoved(
    height: int, width: int, scale: int, groups: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return where points lie that no offset moves: x `(sW·G,)`, and y `(sH, 1)`."""
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        cpu = torch.device("cpu")
        start = subpixel_start(scale, cpu).to(dtype)
        columns = torch.arange(width, dtype=dtype, device=cpu).view(-1, 1, 1) + start.view(-1, 1)
        rows = torch.arange(height, dtype=dtype, device=cpu).view(-1, 1) + start
        return columns.expand(-1, -1, groups).reshape(-1), rows.view(-1, 1)
