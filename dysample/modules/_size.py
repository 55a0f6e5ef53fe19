"""A target size for an upsampler's output, as feature pyramids with odd levels need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample._checks import check_positive
from dysample.ops._implementation import is_tracing

if TYPE_CHECKING:
    from torch import Tensor


def fit_to_size(out: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Return `out` of `(N, C, Ho, Wo)` at `size`, `(height, width)` in pixels.

    Where `out` is at least as large in both dimensions it is cropped at the bottom and on the
    right, which keeps every pixel where it was; otherwise it is resampled bilinearly
    (`align_corners=False`). None leaves it as it is.
    """
    if size is None:
        return out
    if isinstance(size, torch.Tensor):
        raise TypeError(
            "`size` must be (height, width), not a tensor; without a guide, x is the only map"
        )
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"`size` (={size!r}) must be (height, width)")
    if len(size) != 2:
        raise ValueError(f"`size` (={tuple(size)}) must be (height, width)")
    height, width = size
    varies = torch.compiler.is_compiling() or is_tracing()  # a size there is no int
    for axis, length in enumerate(size):
        if not varies:
            check_positive(f"size[{axis}]", length)
    if out.shape[2] < height or out.shape[3] < width:
        return F.interpolate(out, size=(height, width), mode="bilinear", align_corners=False)
    if not varies and out.shape[2:] == (height, width):
        return out
    # Unlike a slice, a negative padding is traced once for all the sizes that crop or fit.
    return F.pad(out, (0, width - out.shape[3], 0, height - out.shape[2]))
