"""CARAFE: content-aware reassembly of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from dysample._checks import check_divisible, check_map, check_odd, check_positive, check_scale
from dysample.modules._kernels import softmax_taps
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size
from dysample.ops.reassemble import reassemble

if TYPE_CHECKING:
    from torch import Tensor


class CARAFE(nn.Module):
    """Upsample by weighted sums of k × k windows, with weights predicted from the map.

    `(N, C, H, W)` → `(N, C, sH, sW)`. Wang et al., CARAFE: Content-Aware ReAssembly of FEatures,
    ICCV 2019 (arXiv:1905.02188), section 3. As with the authors, taps outside of the map are
    skipped and the weights not renormalised: a map of ones under uniform 5 × 5 kernels comes out
    at 0.6 along the border and 0.36 in the corners.

    Args:
        in_channels: channels C of the map.
        scale: how many times higher and wider the result is.
        up_kernel: side k of the window, odd.
        up_group: groups of channels, each with kernels of its own.
        encoder_kernel: side of the convolution that predicts the kernels, odd.
        encoder_dilation: its dilation.
        compressed_channels: channels it sees.

    Raises:
        TypeError, ValueError: an argument is no positive integer, not odd, or does not divide.
    """

    guided: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        up_kernel: int = 5,
        up_group: int = 1,
        encoder_kernel: int = 3,
        encoder_dilation: int = 1,
        compressed_channels: int = 64,
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale)
        check_odd("up_kernel", up_kernel)
        check_positive("up_group", up_group)
        check_divisible("in_channels", in_channels, "up_group", up_group)
        check_odd("encoder_kernel", encoder_kernel)
        check_positive("encoder_dilation", encoder_dilation)
        check_positive("compressed_channels", compressed_channels)
        self.in_channels = in_channels
        self.scale = scale
        self.up_group = up_group
        self.channel_compressor = nn.Conv2d(in_channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(
            compressed_channels,
            up_kernel**2 * up_group * scale**2,
            encoder_kernel,
            padding=(encoder_kernel - 1) * encoder_dilation // 2,
            dilation=encoder_dilation,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw Xavier-uniform and N(0, 0.001) weights: it starts as almost a box filter."""
        nn.init.xavier_uniform_(self.channel_compressor.weight)
        nn.init.normal_(self.content_encoder.weight, std=0.001)
        for conv in (self.channel_compressor, self.content_encoder):
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        logits = self.content_encoder(self.channel_compressor(x))
        kernels = softmax_taps(pixel_shuffle(logits, self.scale), self.up_group)
        return fit_to_size(reassemble(x, kernels, groups=self.up_group), size)
