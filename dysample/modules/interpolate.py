"""The static upsamplers: nearest, bilinear and bicubic interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import nn

from dysample._checks import check_map, check_positive, check_scale
from dysample.modules._size import fit_to_size

if TYPE_CHECKING:
    from torch import Tensor


class _Interpolate(nn.Module):
    """Interpolation by a fixed rule; nothing is learned."""

    guided: ClassVar[bool] = False
    mode: ClassVar[str]

    def __init__(self, in_channels: int, scale: int = 2) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale)
        self.in_channels = in_channels
        self.scale = scale
        self.align_corners: bool | None = None

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        out = F.interpolate(
            x, scale_factor=float(self.scale), mode=self.mode, align_corners=self.align_corners
        )
        return fit_to_size(out, size)

    def extra_repr(self) -> str:
        """Return the arguments of the constructor."""
        return f"{self.in_channels}, scale={self.scale}"


class Nearest(_Interpolate):
    """Repeat each pixel `scale` times in both directions.

    `(N, C, H, W)` → `(N, C, sH, sW)`: `out[Y, X] = x[⌊Y/s⌋, ⌊X/s⌋]`.
    """

    mode = "nearest"


class Bilinear(_Interpolate):
    """Interpolate linearly between the four nearest pixels, clamped at the border.

    `(N, C, H, W)` → `(N, C, sH, sW)`. Output pixel Y reads the position (Y + ½)/s − ½, or
    Y(H − 1)/(sH − 1) with `align_corners`.
    """

    mode = "bilinear"

    def __init__(self, in_channels: int, scale: int = 2, *, align_corners: bool = False) -> None:
        super().__init__(in_channels, scale)
        self.align_corners = align_corners


class Bicubic(_Interpolate):
    """Interpolate by Keys' cubic kernel (A = −0.75) over 4 × 4 pixels.

    `(N, C, H, W)` → `(N, C, sH, sW)`; output pixel Y reads the position (Y + ½)/s − ½.
    Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE TASSP 1981.
    """

    mode = "bicubic"

    def __init__(self, in_channels: int, scale: int = 2) -> None:
        super().__init__(in_channels, scale)
        self.align_corners = False
