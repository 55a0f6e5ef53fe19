"""DySample as published, to measure ours against."""

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
        if self.dyscope:
            offset = offset * (self.scope(source).sigmoid() * 0.5)
        else:
            offset = offset * 0.25
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
