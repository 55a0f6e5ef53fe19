"""Point sampling on the CPU as a weighted gather of rows.

In channels_last memory a pixel's channel group is one contiguous row, so reading a point is a sum
of four rows by bilinear weights, which is what `F.embedding_bag` computes. Its gradient by the map
is the same with readers and rows exchanged; that by a weight, a product of two rows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import Reason, compute_dtype, memory_format
from dysample.ops.point_sample.places import fresh_places, offset_places
from dysample.ops.point_sample.positions import offset_gradients
from dysample.ops.point_sample.taps import Taps, find_taps

if TYPE_CHECKING:
    from torch import Tensor

    Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def can_run_gather(x: Tensor, points: int, padding: str = "border") -> Reason:
    """Return why the weighted gather cannot read `points` points of `x`, or None."""
    if x.device.type != "cpu":
        return f"it needs a CPU tensor, not {x.device.type}"
    if x.numel() == 0 or points == 0:
        return "it needs at least one element"
    if padding == "zeros" and min(x.shape[2:]) < 2:
        return "with zeros padding it needs a map of at least 2 × 2 pixels"
    if max(x.numel(), 4 * points) >= 2**31:
        return "it numbers rows and taps in 32 bits"
    return None


def point_sample(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at `positions`."""
    places = fresh_places(positions, x)
    taps = find_taps(x, places, positions.shape[2], padding)
    shares = taps.shares()
    if weights is not None:
        shares *= _points_last(weights).reshape(-1, 1)
    return _sum_rows(x, taps.rows, shares, places.shape)


def point_sample_backward(
    gradient: Tensor,
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None,
    padding: str,
    needed: list[bool],
) -> Gradients:
    """Return the gradients of `x`, `positions` and `weights`, as far as they are `needed`."""
    by_point = None if weights is None else _points_last(weights)
    places = fresh_places(positions, x)
    of_x, of_places, of_weights = _backward(gradient, x, places, by_point, padding, needed)
    of_positions = None
    if of_places is not None:
        of_positions = of_places.permute(1, 0, 4, 5, 2, 3).reshape(positions.shape)
        of_positions = of_positions.to(positions.dtype).contiguous()
    if of_weights is None or weights is None:
        return of_x, of_positions, None
    return of_x, of_positions, of_weights.permute(0, 3, 4, 1, 2).to(weights.dtype).contiguous()


def offset_sample(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at the offsets of DySample."""
    places = offset_places(x, offset, scope, scale, groups, style)
    taps = find_taps(x, places, groups, "border")
    rows, shares, shape = taps.rows, taps.shares(), places.shape
    del taps, places  # so that they do not lie beside the output
    return _sum_rows(x, rows, shares, shape)


def offset_sample_backward(
    gradient: Tensor,
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None,
    scale: int,
    groups: int,
    style: str,
    needed: list[bool],
) -> Gradients:
    """Return the gradients of `x`, `offset` and `scope`, as far as they are `needed`."""
    places = offset_places(x, offset, scope, scale, groups, style)
    through = [needed[0], needed[1] or needed[2], False]
    of_x, of_places, _ = _backward(gradient, x, places, None, "border", through)
    if of_places is None:
        return of_x, None, None
    of_positions = of_places.squeeze(-1).permute(1, 0, 4, 2, 3)
    of_offset, of_scope = offset_gradients(of_positions, offset, scope, scale, groups, style)
    return of_x, of_offset if needed[1] else None, of_scope if needed[2] else None


def _backward(
    gradient: Tensor,
    x: Tensor,
    places: Tensor,
    weights: Tensor | None,
    padding: str,
    needed: list[bool],
) -> Gradients:
    """Return the gradients of `x`, of `places`, which is overwritten, and of `weights`."""
    groups = places.shape[4]
    on_map = _on_map(places, x) if padding == "border" else None
    taps = find_taps(x, places, groups, padding)
    shares = taps.shares()
    received = rows_of(gradient.to(compute_dtype(x)), groups)
    of_x = of_places = of_weights = None
    if needed[0]:
        by_tap = shares if weights is None else shares * weights.reshape(-1, 1)
        of_x = _to_map(_sum_readers(received, taps.rows, by_tap, x, groups), x)
    if needed[1] or needed[2]:
        products = _row_products(received, rows_of(x, groups), taps.rows)
        if needed[2]:
            of_weights = (products * shares).sum(1).view(places.shape[1:])
        if needed[1]:
            of_places = _by_place(products, taps, on_map)
            if weights is not None:
                of_places *= weights
    return of_x, of_places, of_weights


def _on_map(places: Tensor, x: Tensor) -> Tensor:
    """Return whether each coordinate lies between the first and the last pixel, neither included.

    The others are clamped, and get no gradient.
    """
    height, width = x.shape[2:]
    across, down = places.unbind(0)
    return torch.stack(((across > 0) & (across < width - 1), (down > 0) & (down < height - 1)))


def _by_place(products: Tensor, taps: Taps, on_map: Tensor | None) -> Tensor:
    """Return the gradients of both coordinates, given those of the four shares."""
    if on_map is not None:
        slope_far = on_map.to(products.dtype)
        slope_near = -slope_far
    else:
        cell = taps.distance.floor()
        before, between, after = ((cell == step).to(products.dtype) for step in (-1, 0, 1))
        slope_near, slope_far = before - between, between - after
    left, upper = taps.near.unbind(0)
    right, lower = taps.far.unbind(0)
    tap = products.view(*left.shape, 4).unbind(-1)
    across = slope_near[0] * (upper * tap[0] + lower * tap[2])
    across += slope_far[0] * (upper * tap[1] + lower * tap[3])
    down = slope_near[1] * (left * tap[0] + right * tap[1])
    down += slope_far[1] * (left * tap[2] + right * tap[3])
    return torch.stack((across, down))


def _sum_rows(x: Tensor, rows: Tensor, shares: Tensor, shape: torch.Size) -> Tensor:
    """Return the map in which each pixel and group is its sum of rows of `x`."""
    _, n, out_height, out_width, groups, points = shape
    out = F.embedding_bag(
        rows.view(-1),
        rows_of(x, groups),
        _starts(rows.numel(), 4 * points),
        mode="sum",
        per_sample_weights=shares.view(-1),
    )
    return _to_map(out.view(n, out_height, out_width, -1), x)


def _starts(taps: int, each: int) -> Tensor:
    """Return the first tap of each output row, of `each` taps; kept between calls if they are few.

    `F.embedding_bag` would count them in every call, a twentieth of its time on small maps.
    """
    return (_KEPT_STARTS if taps <= _KEPT_TAPS else _count_starts)(taps, each)


def _count_starts(taps: int, each: int) -> Tensor:
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        return torch.arange(0, taps, each, dtype=torch.int32, device=torch.device("cpu"))


_KEPT_TAPS = 1 << 18
_KEPT_STARTS = lru_cache(maxsize=16)(_count_starts)


def _to_map(pixels: Tensor, x: Tensor) -> Tensor:
    """Return `(N, H, W, C)` as `(N, C, H, W)` in the dtype and memory format of `x`."""
    return pixels.permute(0, 3, 1, 2).to(x.dtype).contiguous(memory_format=memory_format(x))


def _sum_readers(received: Tensor, rows: Tensor, shares: Tensor, x: Tensor, groups: int) -> Tensor:
    """Return the gradient of `x` as `(N, H, W, C)`: each row sums what its readers received."""
    n, channels, height, width = x.shape
    taps = rows.numel() // received.shape[0]
    _, order = rows.view(-1).sort(stable=True)
    readers = order.to(torch.int32).div_(taps, rounding_mode="floor")
    count = torch.bincount(rows.view(-1), minlength=n * height * width * groups)
    start = (count.cumsum(0) - count).to(torch.int32)
    summed = F.embedding_bag(
        readers, received, start, mode="sum", per_sample_weights=shares.view(-1)[order]
    )
    return summed.view(n, height, width, channels)


def _row_products(received: Tensor, rows: Tensor, taps: Tensor) -> Tensor:
    """Return the product of each row read with the row that its reader received, like `taps`."""
    each = taps.numel() // received.shape[0]
    start = _starts(taps.numel(), each)
    products: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        received, rows, taps.view(-1), start, start.new_empty(0), 0, -1
    )
    return products.view(taps.shape)


def rows_of(x: Tensor, groups: int) -> Tensor:
    """Return `x` of `(N, C, H, W)` as rows `(N·H·W·G, C/G)`; in channels_last, without a copy."""
    pixels = x.to(compute_dtype(x)).permute(0, 2, 3, 1)
    return pixels.reshape(-1, x.shape[1] // groups)


def _points_last(weights: Tensor) -> Tensor:
    """Return `(N, G, P, Ho, Wo)` as `(N, Ho, Wo, G, P)`."""
    return weights.permute(0, 3, 4, 1, 2)
