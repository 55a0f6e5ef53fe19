"""Transposed convolution, learned and the same at every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from dysample._checks import check_map, check_positive, check_scale
from dysample.modules._size import fit_to_size

if TYPE_CHECKING:
    from torch import Tensor


class Deconv(nn.ConvTranspose2d):
    """Upsample by a 3 × 3 transposed convolution of stride 2.

    `(N, C, H, W)` → `(N, C, 2H, 2W)`. Zeiler et al., Deconvolutional Networks, CVPR 2010.

    Raises:
        ValueError: `scale` is not 2, or `in_channels` is not positive.
    """

    guided: ClassVar[bool] = False

    def __init__(self, in_channels: int, scale: int = 2) -> None:
        check_positive("in_channels", in_channels)
        check_scale(scale, (2,))
        super().__init__(in_channels, in_channels, 3, stride=2, padding=1, output_padding=1)
        self.scale = scale

    def forward(  # type: ignore[override]
        self, x: Tensor, size: tuple[int, int] | None = None
    ) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, 2H, 2W)`, or at `size`."""
        check_map("x", x, self.in_channels)
        return fit_to_size(super().forward(x).to(x.dtype), size)
