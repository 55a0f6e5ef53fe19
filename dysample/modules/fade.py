"""FADE and FADE-Lite: kernels from the guide and the map together, and a gate between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import nn

from dysample._checks import check_guide, check_map, check_odd, check_positive, check_scale
from dysample.modules._kernels import softmax_taps
from dysample.modules._size import fit_to_size
from dysample.ops._implementation import is_followed, may_overwrite
from dysample.ops.reassemble import reassemble

if TYPE_CHECKING:
    from torch import Tensor

_COMPRESSED_CHANNELS = 64


class FADE(nn.Module):
    """Upsample by k × k kernels predicted from the guide and the map, gated with the guide.

    `(N, C, H, W)` and a guide `(N, Cg, 2H, 2W)` → `(N, C, 2H, 2W)`. Lu et al., FADE: Fusing the
    Assets of Decoder and Encoder for Task-Agnostic Upsampling, ECCV 2022 (arXiv:2207.10392). One
    encoder serves guide and map, and its bias enters twice, as with the authors; taps outside of
    the map are skipped and the weights not renormalised.

    Args:
        in_channels: channels C of the map.
        scale: 2.
        up_kernel: side k of the window, odd.
        gating: mix the guide into the result by a gate predicted from the map. The authors' own
            class always does; the copies in later comparisons do not unless told.
        guide_channels: channels Cg of the guide; None for C, which the gate needs.

    Raises:
        TypeError, ValueError: `scale` is not 2, `up_kernel` not odd, or channels do not fit.
    """

    guided: ClassVar[bool] = True
    lite: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        up_kernel: int = 5,
        gating: bool = True,
        guide_channels: int | None = None,
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale, (2,))
        check_odd("up_kernel", up_kernel)
        guide_channels = in_channels if guide_channels is None else guide_channels
        check_positive("guide_channels", guide_channels)
        if gating and guide_channels != in_channels:
            raise ValueError(
                f"`guide_channels` (={guide_channels}) must equal `in_channels` "
                f"(={in_channels}) with `gating`"
            )
        self.in_channels = in_channels
        self.guide_channels = guide_channels
        self.scale = scale
        self.gating = gating
        if gating:
            self.gate_generator = _GateGenerator(in_channels)
        self.ker_generator = _KernelGenerator(in_channels, guide_channels, up_kernel, self.lite)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw Xavier-uniform weights, and set biases to zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, 2H, 2W)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        out = reassemble(x, softmax_taps(self.ker_generator(x, guide)))
        if self.gating:
            gate = self.gate_generator(x).to(out.dtype)
            guide = guide.to(out.dtype)
            # In place where possible: the map is the largest there is.
            out = out.mul_(1 - gate) if may_overwrite() else out * (1 - gate)
            out = out.addcmul(gate, guide) if is_followed() else out.addcmul_(gate, guide)
        return fit_to_size(out, size)

    def extra_repr(self) -> str:
        """Return what `repr` shows."""
        return f"{self.in_channels}, scale=2, gating={self.gating}"


class FADELite(FADE):
    """FADE with a depthwise encoder on k² channels: a sixth of the cost.

    `(N, C, H, W)` and a guide `(N, Cg, 2H, 2W)` → `(N, C, 2H, 2W)`. Lu et al., FADE: A
    Task-Agnostic Upsampling Operator for Encoder-Decoder Architectures, IJCV 2024. Arguments and
    errors as for `FADE`.
    """

    lite = True


class _KernelGenerator(nn.Module):
    """From the map and the guide, logits `(N, k², 2H, 2W)`."""

    def __init__(self, in_channels: int, guide_channels: int, side: int, lite: bool) -> None:
        super().__init__()
        taps = side**2
        width = taps if lite else _COMPRESSED_CHANNELS
        groups = taps if lite else 1
        self.compressor_en = nn.Conv2d(guide_channels, width, 1)
        self.compressor_de = nn.Conv2d(in_channels, width, 1, bias=False)
        self.content_encoder = nn.Conv2d(width, taps, 3, padding=1, groups=groups)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        of_guide: Tensor = self.content_encoder(self.compressor_en(guide))
        of_map = self.content_encoder(self.compressor_de(x))
        return of_guide + F.interpolate(of_map, scale_factor=2.0, mode="nearest")


class _GateGenerator(nn.Module):
    """From the map, a gate in (0, 1) for each output pixel, `(N, 1, 2H, 2W)`."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.conv(x).sigmoid(), scale_factor=2.0, mode="nearest")
