"""Point sampling as a plain formula, in a form that a runtime without border padding can take."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from dysample._checks import check_one_of
from dysample.ops._implementation import compute_dtype, memory_format
from dysample.ops.point_sample import composed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

SAMPLINGS = ("grid_sample", "grid_sample_zeros", "gather")


class _Form:
    name: str | None = None


_FORM = _Form()


@contextmanager
def sampling(name: str) -> Iterator[None]:
    """Write point sampling out within, as exporters and autograd see it, in the form `name`.

    "grid_sample" pads with the border; "grid_sample_zeros" clamps the positions to the centres of
    the border pixels, ±(1 − 1/n) in the coordinates of a grid over n pixels, and pads with zeros,
    which is equal in value and gradient; "gather" has no grid_sample: four reads of rows, and
    their weighted sum. Nesting restores the outer form.

    Raises:
        ValueError: an unknown form.
    """
    check_one_of("sampling", name, SAMPLINGS)
    before = _FORM.name
    _FORM.name = name
    try:
        yield
    finally:
        _FORM.name = before


def asked() -> bool:
    """Whether a form was asked for by `sampling`."""
    return _FORM.name is not None


def point_sample(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    """Return `x` of `(N, C, H, W)` read at `positions`, in the form asked for."""
    if _FORM.name == "gather":
        return _gather(x, positions, weights, padding)
    if _FORM.name == "grid_sample_zeros" and padding == "border":
        return composed.point_sample(x, _on_the_map(positions, x), weights, "zeros")
    return composed.point_sample(x, positions, weights, padding)


def _gather(x: Tensor, positions: Tensor, weights: Tensor | None, padding: str) -> Tensor:
    n, channels, height, width = x.shape
    groups = positions.shape[2]
    if weights is None:
        positions = positions.unsqueeze(3)
    if padding == "border":
        positions = _on_the_map(positions, x)
    maps = x.to(compute_dtype(x)).reshape(n * groups, channels // groups, height * width)
    rows = maps.transpose(1, 2).reshape(n * groups * height * width, channels // groups)
    # (NG, P, Ho, Wo): every tap reads one row.
    shape = (n * groups, -1, *positions.shape[-2:])
    px, py = (axis.reshape(shape) for axis in positions.to(rows.dtype).unbind(1))
    image = torch.arange(n * groups, device=x.device).view(-1, 1, 1, 1) * (height * width)
    taps = []
    for row, row_weight in _two_taps(py, height, padding):
        for column, column_weight in _two_taps(px, width, padding):
            index = (image + row.long() * width + column.long()).reshape(-1)
            weight = row_weight * column_weight
            if weights is not None:
                weight = weight * weights.to(rows.dtype).reshape(shape)
            read = rows.index_select(0, index).reshape(*weight.shape, channels // groups)
            taps.append(read * weight.unsqueeze(-1))
    out = (taps[0] + taps[1] + taps[2] + taps[3]).sum(1)
    out = out.movedim(-1, 1).reshape(n, channels, *positions.shape[-2:]).to(x.dtype)
    return out.contiguous(memory_format=memory_format(x))


def _two_taps(position: Tensor, length: int, padding: str) -> list[tuple[Tensor, Tensor]]:
    """Return the pixel before and the pixel after `position`, on the map, and their weights."""
    before = position.floor()
    after, share = before + 1, position - before
    if padding == "border":  # `position` is on the map, and so is the pixel before it
        return [(before, 1 - share), (after.clamp(max=length - 1), share)]
    inside = [pixel.clamp(0, length - 1) for pixel in (before, after)]
    return [
        (inside[0], (1 - share) * (inside[0] == before).to(share.dtype)),
        (inside[1], share * (inside[1] == after).to(share.dtype)),
    ]


def _on_the_map(positions: Tensor, x: Tensor) -> Tensor:
    """Clamp positions to the pixel centres of `x`; those at or beyond the border get no gradient.

    `torch.clamp` alone passes the gradient where a position lies on the border exactly, and border
    padding does not.
    """
    height, width = x.shape[2:]
    clamped = []
    for axis, length in zip(positions.to(compute_dtype(x)).unbind(1), (width, height), strict=True):
        bounded = axis.clamp(0, length - 1)
        if torch.is_grad_enabled() and axis.requires_grad:
            inside = (axis > 0) & (axis < length - 1)
            bounded = torch.where(inside, axis, bounded.detach())
        clamped.append(bounded)
    return torch.stack(clamped, 1)
