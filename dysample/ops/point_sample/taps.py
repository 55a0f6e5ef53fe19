"""The four pixels that a bilinear point reads, as numbers of rows, and their shares."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


_CPU = torch.device("cpu")  # named, so that a default device does not divert what is built here


class Taps(NamedTuple):
    """The taps of points `(N, Ho, Wo, G, P)`.

    `rows` is `(N·Ho·Wo·G·P, 4)`: the pixel above left, its right neighbour, and the two below.
    The others are `(2, N, Ho, Wo, G, P)`, x and y: how far the point lies from the first of the
    two pixels, in pixels, and the shares of that pixel and of its neighbour.
    """

    rows: Tensor
    distance: Tensor
    near: Tensor
    far: Tensor

    def shares(self) -> Tensor:
        """Return the bilinear share of each tap, `(N·Ho·Wo·G·P, 4)`."""
        left, upper = self.near.view(2, -1).unbind(0)
        right, lower = self.far.view(2, -1).unbind(0)
        shares = torch.empty(self.rows.shape, dtype=left.dtype, device=_CPU)
        pairs = ((upper, left), (upper, right), (lower, left), (lower, right))
        for tap, (vertical, horizontal) in zip(shares.unbind(1), pairs, strict=True):
            torch.mul(vertical, horizontal, out=tap)
        return shares


def find_taps(x: Tensor, places: Tensor, groups: int, padding: str) -> Taps:
    """Return the taps of the points at `places`, `(2, N, Ho, Wo, G, P)`, which is overwritten.

    The first of two pixels is at most the last but one, so its neighbour is always one step away.
    """
    height, width = x.shape[2:]
    # With zeros, a point two pixels outside reads nothing, wherever it lies.
    margin = 2 if padding == "zeros" else 0
    _clamp_(places, -margin, width - 1 + margin, height - 1 + margin)
    first = places.to(torch.int32)  # whatever NaN becomes, the next line brings it onto the map
    _clamp_(first, 0, max(width - 2, 0), max(height - 2, 0))
    places -= first
    rows = _four_rows(first, groups, width, height)
    if padding == "border":
        return Taps(rows, places, 1 - places, places)
    near, far = 1 - places.abs(), 1 - (places - 1).abs()
    return Taps(rows, places, near.clamp_(min=0), far.clamp_(min=0))


def _clamp_(places: Tensor, low: int, high_x: int, high_y: int) -> None:
    if high_x == high_y:
        places.clamp_(low, high_x)
    else:
        places[0].clamp_(low, high_x)
        places[1].clamp_(low, high_y)


def _four_rows(first: Tensor, groups: int, width: int, height: int) -> Tensor:
    """Return the numbers of the rows of the pixels `first`, which is overwritten, and of three."""
    _, n, _, out_width, _, points = first.shape
    column, row = first.unbind(0)
    number = row.mul_(width * groups).add_(column, alpha=groups)
    if n > 1:
        image = torch.arange(n, dtype=first.dtype, device=_CPU) * (height * width * groups)
        number.add_(image.view(-1, 1, 1, 1, 1))
    right, below = (groups if width > 1 else 0), (width * groups if height > 1 else 0)
    rows = number.view(-1, 1).expand(-1, 4).contiguous()
    steps = _steps_of_a_row(out_width, groups, points, right, below)
    rows.view(-1, steps.numel()).add_(steps)  # a long row at a time, not four numbers
    return rows


@lru_cache(maxsize=16)
def _steps_of_a_row(width: int, groups: int, points: int, right: int, below: int) -> Tensor:
    """Return how many rows after its pixel's first each tap of a row of pixels lies, flat."""
    with torch.inference_mode(mode=False):  # kept for calls that are not in inference mode
        group = torch.arange(groups, dtype=torch.int32, device=_CPU).view(-1, 1, 1)
        step = torch.tensor((0, right, below, right + below), dtype=torch.int32, device=_CPU)
        return (group + step).expand(width, -1, points, -1).reshape(-1)
