"""DySample and CARAFE as published or as usually written, to measure ours against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ReferenceDySample(nn.Module):
    """DySample by the operations of the paper, one by one, with the same `state_dict`.

    `(N, C, H, W)` → `(N, C, sH, sW)`: a 1 × 1 convolution, a tensor of coordinates, a pixel
    shuffle of their sum and `F.grid_sample` with border padding. Liu et al., Learning to Upsample
    by Learning to Sample, ICCV 2023 (arXiv:2308.15085), section 3. It is a yardstick: not one
    operation slower than the formulation asks for, nor one faster; arguments are not checked, and
    coordinates are formed in the dtype of the map, as in the published one.
    """

    init_pos: Tensor

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        style: str = "lp",
        groups: int = 4,
        dyscope: bool = False,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.style = style
        self.groups = groups
        channels, offsets = in_channels, 2 * groups
        if style == "pl":
            channels //= scale**2
        else:
            offsets *= scale**2
        self.offset = nn.Conv2d(channels, offsets, 1)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        if dyscope:
            self.scope = nn.Conv2d(channels, offsets, 1, bias=False)
            nn.init.zeros_(self.scope.weight)
        self.dyscope = dyscope
        self.register_buffer("init_pos", self._sub_pixel_starts())

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` of `(N, C, H, W)` upsampled to `(N, C, sH, sW)`."""
        source = F.pixel_shuffle(x, self.scale) if self.style == "pl" else x
        offset = self.offset(source)
        offset = offset * (self.scope(source).sigmoid() * 0.5 if self.dyscope else 0.25)
        if self.style == "pl":
            offset = F.pixel_unshuffle(offset, self.scale)
        return self._sample(x, offset + self.init_pos)

    def _sub_pixel_starts(self) -> Tensor:
        start = (torch.arange(self.scale) - (self.scale - 1) / 2) / self.scale
        starts = torch.stack(torch.meshgrid(start, start, indexing="xy"))
        return starts.repeat_interleave(self.groups, 0).reshape(1, -1, 1, 1)

    def _sample(self, x: Tensor, offset: Tensor) -> Tensor:
        n, _, height, width = offset.shape
        offset = offset.view(n, 2, -1, height, width)
        down = torch.arange(height, dtype=x.dtype, device=x.device) + 0.5
        across = torch.arange(width, dtype=x.dtype, device=x.device) + 0.5
        centres = torch.stack(torch.meshgrid(across, down, indexing="xy"))[None, :, None]
        size = torch.tensor([width, height], dtype=x.dtype, device=x.device)
        grid = 2 * (centres + offset) / size.view(1, 2, 1, 1, 1) - 1
        grid = F.pixel_shuffle(grid.reshape(n, -1, height, width), self.scale)
        grid = grid.view(n, 2, -1, self.scale * height, self.scale * width)
        grid = grid.permute(0, 2, 3, 4, 1).flatten(0, 1)
        maps = x.reshape(n * self.groups, -1, height, width)
        out = F.grid_sample(maps, grid, mode="bilinear", align_corners=False, padding_mode="border")
        return out.view(n, -1, self.scale * height, self.scale * width)


def unfold_reassemble(x: Tensor, kernels: Tensor, groups: int = 1) -> Tensor:
    """Return the reassembly of CARAFE by `F.unfold` and `torch.einsum`: k² copies of the map.

    `x` is `(N, C, H, W)`, `kernels` `(N, groups·k², sH, sW)`, the result `(N, C, sH, sW)`. The
    windows stay at low resolution and meet the s² kernels of their pixel there, which is several
    times faster than repeating them to the size of the result first.
    """
    n, channels, height, width = x.shape
    taps = kernels.shape[1] // groups
    side, scale = round(taps**0.5), kernels.shape[2] // height
    windows = F.unfold(x, side, padding=side // 2)
    windows = windows.view(n, groups, channels // groups, taps, height, width)
    weights = kernels.reshape(n, groups, taps, height, scale, width, scale)
    out = torch.einsum("ngcthw,ngthawb->ngchawb", windows, weights)
    return out.reshape(n, channels, height * scale, width * scale)


class ReferenceCARAFE(nn.Module):
    """CARAFE by `unfold_reassemble`, with the same `state_dict` as `dysample.CARAFE`.

    `(N, C, H, W)` → `(N, C, sH, sW)`. Wang et al., CARAFE: Content-Aware ReAssembly of FEatures,
    ICCV 2019 (arXiv:1905.02188), section 3. A yardstick; arguments are not checked.
    """

    def __init__(
        self, in_channels: int, scale: int = 2, up_kernel: int = 5, compressed_channels: int = 64
    ) -> None:
        super().__init__()
        self.scale = scale
        kernels = up_kernel**2 * scale**2
        self.channel_compressor = nn.Conv2d(in_channels, compressed_channels, 1)
        self.content_encoder = nn.Conv2d(compressed_channels, kernels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` of `(N, C, H, W)` upsampled to `(N, C, sH, sW)`."""
        logits = self.content_encoder(self.channel_compressor(x))
        return unfold_reassemble(x, F.pixel_shuffle(logits, self.scale).softmax(1))
