"""Weights over the taps of a window, made of logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format

if TYPE_CHECKING:
    from torch import Tensor


def softmax_taps(logits: Tensor, groups: int = 1) -> Tensor:
    """Return the softmax of `(N, groups·T, H, W)` over the T taps of each group.

    In channels_last memory the taps lie side by side, and are normalised there.
    """
    if memory_format(logits) is torch.channels_last:
        taps = torch.unflatten(logits.permute(0, 2, 3, 1), 3, (groups, -1))
        return taps.softmax(4).flatten(3).permute(0, 3, 1, 2)
    return torch.unflatten(logits, 1, (groups, -1)).softmax(2).flatten(1, 2)
