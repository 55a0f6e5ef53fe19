"""The affinity as k² shifted products: any device, dtype and layout, and exportable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import memory_format
from dysample.ops._window import accumulator_dtype, split_pixels

if TYPE_CHECKING:
    from torch import Tensor


def affinity_taps(query: Tensor, key: Tensor, side: int, groups: int, scale: int) -> Tensor:
    """Return the logits `(N, groups·k², sH, sW)`; one product of the query's size at a time."""
    d, h, w = key.shape[1:]
    dtype = accumulator_dtype(key)
    r = side // 2
    padded = torch.unflatten(F.pad(key.to(dtype), (r, r, r, r)), 1, (groups, d // groups))
    split = torch.unflatten(split_pixels(query, scale), 1, (groups, d // groups))
    logits = []
    for tap in range(side * side):
        u, v = divmod(tap, side)
        product = split * padded[..., u : u + h, None, v : v + w, None]
        logits.append(torch.sum(product, 2).to(query.dtype))
    out = torch.stack(logits, 2).flatten(5, 6).flatten(3, 4).flatten(1, 2)
    return out.contiguous(memory_format=memory_format(query))
