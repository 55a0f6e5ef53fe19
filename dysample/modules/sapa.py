"""SAPA: assign each output pixel to the low-resolution pixels that its guide resembles."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from dysample._checks import (
    check_divisible,
    check_guide,
    check_map,
    check_odd,
    check_positive,
    check_scale,
)
from dysample.modules._kernels import softmax_taps
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size
from dysample.ops._implementation import compute_dtype
from dysample.ops.affinity import affinity
from dysample.ops.point_sample import point_sample
from dysample.ops.reassemble import reassemble

if TYPE_CHECKING:
    from torch import Tensor

_NORM_GROUPS = 32


class SAPAI(nn.Module):
    """Upsample by the plain inner product of guide and map, without any parameter.

    `(N, C, H, W)` and a guide `(N, C, sH, sW)` → `(N, C, sH, sW)`. Lu et al., SAPA:
    Similarity-Aware Point Affiliation for Feature Upsampling, NeurIPS 2022 (arXiv:2209.12866).
    The authors released no class of it; this is what their printed cost (no parameters, 25C + 25C
    multiply-adds for each output pixel) leaves. Logits are not scaled, and taps outside of the map
    have logit 0 and value 0.

    Args:
        in_channels: channels C of the map and of the guide.
        scale: how many times higher and wider the result is.
        up_kernel: side k of the window, odd.
        guide_channels: None, or C.

    Raises:
        TypeError, ValueError: no positive integer, not odd, or the guide's channels are not C.
    """

    guided: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        up_kernel: int = 5,
        guide_channels: int | None = None,
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale)
        check_odd("up_kernel", up_kernel)
        if guide_channels not in (None, in_channels):
            raise ValueError(
                f"`guide_channels` (={guide_channels}) must equal `in_channels` (={in_channels}): "
                f"there is no projection"
            )
        self.in_channels = in_channels
        self.guide_channels = in_channels
        self.scale = scale
        self.up_kernel = up_kernel

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        logits = affinity(guide, x, kernel_size=self.up_kernel)
        return fit_to_size(reassemble(x, softmax_taps(logits)), size)

    def extra_repr(self) -> str:
        """Return what `repr` shows."""
        return f"{self.in_channels}, scale={self.scale}, up_kernel={self.up_kernel}"


class _Projected(nn.Module):
    """Query of the guide and key of the map: a norm, then a 1 × 1 convolution, of each."""

    guided: ClassVar[bool] = True

    def __init__(
        self, in_channels: int, scale: int, width: int, bias: bool, norm: bool, guide: int | None
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale)
        guide_channels = in_channels if guide is None else guide
        check_positive("guide_channels", guide_channels)
        self.in_channels = in_channels
        self.guide_channels = guide_channels
        self.scale = scale
        if norm:
            check_divisible("in_channels", in_channels, "groups of the norm", _NORM_GROUPS)
            check_divisible("guide_channels", guide_channels, "groups of the norm", _NORM_GROUPS)
        self.norm_y = nn.GroupNorm(_NORM_GROUPS, guide_channels) if norm else nn.Identity()
        self.norm_x = nn.GroupNorm(_NORM_GROUPS, in_channels) if norm else nn.Identity()
        self.q = nn.Conv2d(guide_channels, width, 1, bias=bias)
        self.k = nn.Conv2d(in_channels, width, 1, bias=bias)

    def reset_parameters(self) -> None:
        """Draw convolution weights from N(0, 0.02), set biases to zero and norms to identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.GroupNorm):
                module.reset_parameters()


class SAPAB(_Projected):
    """Upsample by the similarity of embeddings of the guide and of the map.

    `(N, C, H, W)` and a guide `(N, Cg, sH, sW)` → `(N, C, sH, sW)`. Lu et al., SAPA:
    Similarity-Aware Point Affiliation for Feature Upsampling, NeurIPS 2022 (arXiv:2209.12866).
    Logits are not divided by √d; taps outside of the map have logit 0, stay in the softmax and
    read 0, so the result is attenuated along the border, as with the authors.

    Args:
        in_channels: channels C of the map.
        scale: how many times higher and wider the result is.
        up_kernel: side k of the window, odd.
        embedding_dim: channels d of query and key; 32 gives the published costs.
        qkv_bias: a bias in the two projections.
        norm: group norm (32 groups) before them.
        guide_channels: channels Cg of the guide; None for C.

    Raises:
        TypeError, ValueError: an argument is no positive integer, not odd, or, with `norm`,
            channels are not divisible by 32.
    """

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        up_kernel: int = 5,
        embedding_dim: int = 32,
        qkv_bias: bool = True,
        norm: bool = True,
        guide_channels: int | None = None,
    ) -> None:
        check_odd("up_kernel", up_kernel)
        check_positive("embedding_dim", embedding_dim)
        super().__init__(in_channels, scale, embedding_dim, qkv_bias, norm, guide_channels)
        self.up_kernel = up_kernel
        self.reset_parameters()

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        query, key = self.q(self.norm_y(guide)), self.k(self.norm_x(x))
        logits = affinity(query, key, kernel_size=self.up_kernel)
        return fit_to_size(reassemble(x, softmax_taps(logits)), size)


class SAPAD(_Projected):
    """Upsample by the similarity of the guide with points of the map at learned positions.

    `(N, C, H, W)` and a guide `(N, Cg, sH, sW)` → `(N, C, sH, sW)`. Liu et al., On Point
    Affiliation in Feature Upsampling, 2023 (arXiv:2307.08198). Points are read bilinearly with
    zeros outside of the map; with zero offsets all s² pixels of a low-resolution pixel read that
    pixel, and the result is the nearest one. Logits are not scaled.

    Args:
        in_channels: channels C of the map.
        scale: how many times higher and wider the result is.
        num_points: points that each output pixel and group reads.
        groups: groups of channels, each with points of its own.
        embedding_dim: channels d of query and key in each group.
        qkv_bias: a bias in these two projections.
        high_offset: predict offsets for each output pixel, not for each low-resolution one.
        norm: group norm (32 groups) before the projections.
        guide_channels: channels Cg of the guide; None for C.

    Raises:
        TypeError, ValueError: an argument is no positive integer or does not divide.
    """

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        num_points: int = 9,
        groups: int = 4,
        embedding_dim: int = 32,
        qkv_bias: bool = True,
        high_offset: bool = True,
        norm: bool = False,
        guide_channels: int | None = None,
    ) -> None:
        check_positive("num_points", num_points)
        check_positive("groups", groups)
        check_positive("embedding_dim", embedding_dim)
        check_positive("in_channels", in_channels)
        check_divisible("in_channels", in_channels, "groups", groups)
        width = groups * embedding_dim
        super().__init__(in_channels, scale, width, qkv_bias, norm, guide_channels)
        self.num_points = num_points
        self.groups = groups
        self.high_offset = high_offset
        positions = scale**2 if high_offset else 1
        self.offset = nn.Conv2d(in_channels, groups * num_points * 2 * positions, 1)
        self.reset_parameters()

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        normed = self.norm_x(x)
        query, key = self.q(self.norm_y(guide)), self.k(normed)
        positions = self._positions(self.offset(normed))
        logits = [self._similarity(query, key, point) for point in positions.unbind(3)]
        weights = torch.stack(logits, 2).softmax(2)
        return fit_to_size(point_sample(x, positions, weights, padding="zeros"), size)

    def _positions(self, offset: Tensor) -> Tensor:
        """Return the positions of the points, `(N, 2, groups, P, sH, sW)`, in pixels of the map."""
        h, w = offset.shape[2:]
        if self.high_offset:
            offset = pixel_shuffle(offset, self.scale)
        else:
            offset = F.interpolate(offset, scale_factor=float(self.scale), mode="nearest")
        dtype = compute_dtype(offset)
        offset = torch.unflatten(offset.to(dtype), 1, (self.groups, self.num_points, 2))
        column = torch.arange(w, device=offset.device).repeat_interleave(self.scale).to(dtype)
        row = torch.arange(h, device=offset.device).repeat_interleave(self.scale).to(dtype)
        across, down = offset.unbind(3)
        return torch.stack((across + column, down + row[:, None]), 1)

    def _similarity(self, query: Tensor, key: Tensor, positions: Tensor) -> Tensor:
        """Return the inner products with the key read at one point, `(N, groups, sH, sW)`."""
        product = query * point_sample(key, positions, padding="zeros")
        return torch.unflatten(product, 1, (self.groups, -1)).sum(2)

    def extra_repr(self) -> str:
        """Return what `repr` shows."""
        return (
            f"{self.in_channels}, scale={self.scale}, num_points={self.num_points}, "
            f"groups={self.groups}, high_offset={self.high_offset}"
        )
