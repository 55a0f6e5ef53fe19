"""A target size for an upsampler's output, as feature pyramids with odd levels need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

from dysample._checks import check_positive

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
    height, width = size
    check_positive("size[0]", height)
    check_positive("size[1]", width)
    if out.shape[2] == height and out.shape[3] == width:
        return out
    if out.shape[2] < height or out.shape[3] < width:
        return F.interpolate(out, size=(height, width), mode="bilinear", align_corners=False)
    return out[:, :, :height, :width].clone()
