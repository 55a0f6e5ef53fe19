"""Sub-pixel convolution: predict s² values a channel, then lay them out in space."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from dysample._checks import check_map, check_positive, check_scale
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size

if TYPE_CHECKING:
    from torch import Tensor


class PixelShuffle(nn.Sequential):
    """Upsample by a 3 × 3 convolution to Cs² channels and a pixel shuffle.

    `(N, C, H, W)` → `(N, C, sH, sW)`. Shi et al., Real-Time Single Image and Video
    Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network, CVPR 2016.

    Raises:
        ValueError: `in_channels` or `scale` is not positive.
    """

    guided: ClassVar[bool] = False

    def __init__(self, in_channels: int, scale: int = 2) -> None:
        check_positive("in_channels", in_channels)
        check_scale(scale)
        conv = nn.Conv2d(in_channels, in_channels * scale**2, 3, padding=1)
        super().__init__(conv, nn.PixelShuffle(scale))
        self.in_channels = in_channels
        self.scale = scale

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        return fit_to_size(pixel_shuffle(self[0](x), self.scale).to(x.dtype), size)
