"""Pixel shuffle, of an empty batch too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def pixel_shuffle(x: Tensor, scale: int) -> Tensor:
    """Return `x` of `(N, Cs², H, W)` as `(N, C, sH, sW)`.

    `F.pixel_shuffle` gives a gradient of the wrong shape where N is 0 (torch 2.13).
    """
    if torch.compiler.is_compiling() or x.shape[0]:
        return F.pixel_shuffle(x, scale)
    _, channels, height, width = x.shape
    return x.reshape(0, channels // scale**2, height * scale, width * scale)
