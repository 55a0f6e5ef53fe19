"""A2U: affinity-aware upsampling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from dysample._checks import check_divisible, check_guide, check_map, check_positive, check_scale
from dysample.modules._kernels import softmax_taps
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size
from dysample.ops._implementation import inline, is_tracing
from dysample.ops.reassemble import reassemble

if TYPE_CHECKING:
    from torch import Tensor

_UP_KERNEL = 3
_ENCODE_KERNEL = 6
_NORM_GROUPS = 32


class A2U(nn.Module):
    """Upsample by 3 × 3 kernels made of second-order statistics of the guide.

    `(N, C, H, W)` and a guide `(N, Cg, 2H, 2W)` → `(N, C, 2H, 2W)`. Dai, Lu and Shen, Learning
    Affinity-Aware Upsampling for Deep Image Matting, CVPR 2021. The kernels are a softmax of a
    sigmoid, as with the authors, so that every weight lies in [0.044, 0.254]; taps outside of the
    map are skipped and the weights not renormalised.

    Args:
        in_channels: channels C of the map.
        scale: 2.
        guide_channels: channels Cg of the guide, divisible by 32; None for C.

    Raises:
        TypeError, ValueError: `scale` is not 2, or `guide_channels` not divisible by 32.
    """

    guided: ClassVar[bool] = True

    def __init__(
        self, in_channels: int, scale: int = 2, *, guide_channels: int | None = None
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale, (2,))
        name = "in_channels" if guide_channels is None else "guide_channels"
        guide_channels = in_channels if guide_channels is None else guide_channels
        check_positive("guide_channels", guide_channels)
        check_divisible(name, guide_channels, "groups of the norm", _NORM_GROUPS)
        self.in_channels = in_channels
        self.guide_channels = guide_channels
        self.scale = scale
        self.kernel_gen = _KernelGenerator(guide_channels)

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, 2H, 2W)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        logits = pixel_shuffle(self.kernel_gen(guide), self.scale)
        return fit_to_size(reassemble(x, softmax_taps(logits.sigmoid())), size)


class _KernelGenerator(nn.Module):
    """From a guide `(N, Cg, 2H, 2W)`, 4·9 logits at low resolution, `(N, 36, H, W)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bnu = _norm(channels)
        self.bnv = _norm(channels)
        self.bconv_UP = _pooled_conv(channels, 1, 4 * _UP_KERNEL**2)
        self.bconv_U = _pooled_conv(channels, _ENCODE_KERNEL, 1)
        self.bconv_V = _pooled_conv(channels, _ENCODE_KERNEL, 1)

    def forward(self, guide: Tensor) -> Tensor:
        u = _correlate(guide, self.bconv_U(guide))
        v = _correlate(guide, self.bconv_V(guide))
        products = self.bnu(u) * self.bnv(v)
        affinity = products.sum(1, keepdim=True) * (1 / math.sqrt(guide.shape[1]))
        logits: Tensor = self.bconv_UP(guide) * affinity
        return logits


def _norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.GroupNorm(_NORM_GROUPS, channels), nn.LeakyReLU())


def _pooled_conv(channels: int, side: int, out: int) -> nn.Sequential:
    return nn.Sequential(_Pool(side), nn.Conv2d(channels, out, 1))


class _Pool(nn.AdaptiveAvgPool2d):
    """Adaptive average pooling, `(N, C, H, W)` → `(N, C, side, side)`.

    An exporter to ONNX would fix the bins for the size of its example, so there they stand as
    products with matrices that are made of the size.
    """

    def forward(self, x: Tensor) -> Tensor:
        side = self.output_size
        if not inline() or not isinstance(side, int):
            return super().forward(x)
        rows = _bins(x, x.shape[2], side)
        columns = _bins(x, x.shape[3], side)
        return rows @ x @ columns.t()


def _bins(like: Tensor, length: int, side: int) -> Tensor:
    """Return the matrix `(side, length)` that averages the pixels ⌊iL/side⌋ to ⌈(i + 1)L/side⌉."""
    pixel = torch.arange(length, device=like.device)
    first = torch.arange(side, device=like.device)[:, None]
    start = torch.div(first * length, side, rounding_mode="floor")
    stop = torch.div((first + 1) * length + side - 1, side, rounding_mode="floor")
    inside = ((pixel >= start) & (pixel < stop)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def _correlate(guide: Tensor, kernels: Tensor) -> Tensor:
    """Correlate every channel of each image with that image's kernel, at stride 2.

    `guide` is `(N, C, 2H, 2W)`, `kernels` `(N, 1, 6, 6)`; the result is `(N, C, H, W)`.
    """
    # The loop below would be compiled anew, or traced for one batch size and wrong for the others.
    if torch.compiler.is_compiling() or is_tracing():
        return _correlate_taps(guide, kernels)
    # One depthwise convolution an image: neither a batch as groups nor channels as a batch is as
    # fast, or as lean, in both layouts.
    n, channels = guide.shape[:2]
    images = [
        F.conv2d(
            guide[i : i + 1],
            kernels[i].expand(channels, 1, -1, -1),
            stride=2,
            padding=2,
            groups=channels,
        )
        for i in range(n)
    ]
    return torch.cat(images) if images else guide[:, :, ::2, ::2]


def _correlate_taps(guide: Tensor, kernels: Tensor) -> Tensor:
    """Return what `_correlate` does, as a sum of shifted products."""
    height, width = guide.shape[2], guide.shape[3]
    padded = F.pad(guide, (2, 2, 2, 2))
    out = torch.zeros_like(guide[:, :, ::2, ::2])
    for u in range(_ENCODE_KERNEL):
        for v in range(_ENCODE_KERNEL):
            shifted = padded[:, :, u : u + height - 1 : 2, v : v + width - 1 : 2]
            out = out + shifted * kernels[:, :, u, v, None, None]
    return out
