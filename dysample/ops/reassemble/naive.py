"""The definition of the reassembly, which every other version is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def reassemble_naive(x: Tensor, kernels: Tensor, groups: int = 1) -> Tensor:
    """Return `out[c, Y, X] = Σ kernels[(q·k + u)·k + v, Y, X] · x[c, i − r + u, j − r + v]`.

    `x` is `(N, C, H, W)`, `kernels` `(N, groups·k², sH, sW)`, the result `(N, C, sH, sW)`; r is
    (k − 1)/2, (i, j) is (⌊Y/s⌋, ⌊X/s⌋), and q is the group of channel c. Taps outside of the map
    count as zero. Wang et al., CARAFE, ICCV 2019, equation 2.
    """
    n, c, h, w = x.shape
    scale = kernels.shape[2] // h
    side = round((kernels.shape[1] / groups) ** 0.5)
    windows = F.unfold(x, side, padding=side // 2)
    windows = windows.view(n, groups, c // groups, side * side, h, w)
    windows = windows.repeat_interleave(scale, 4).repeat_interleave(scale, 5)
    weights = kernels.reshape(n, groups, 1, side * side, h * scale, w * scale)
    return torch.sum(windows * weights, 3).flatten(1, 2)
