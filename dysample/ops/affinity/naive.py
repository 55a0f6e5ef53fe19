"""The definition of the affinity, which every other version is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def affinity_naive(query: Tensor, key: Tensor, kernel_size: int) -> Tensor:
    """Return `out[u·k + v, Y, X] = Σ_d query[d, Y, X] · key[d, i − r + u, j − r + v]`.

    `query` is `(N, D, sH, sW)`, `key` `(N, D, H, W)`, the result `(N, k², sH, sW)`; r is
    (k − 1)/2 and (i, j) is (⌊Y/s⌋, ⌊X/s⌋). Taps outside of the map give 0. Lu et al., SAPA,
    NeurIPS 2022.
    """
    n, d, h, w = key.shape
    scale = query.shape[2] // h
    windows = F.unfold(key, kernel_size, padding=kernel_size // 2)
    windows = windows.view(n, d, kernel_size**2, h, w)
    windows = windows.repeat_interleave(scale, 3).repeat_interleave(scale, 4)
    return torch.sum(windows * query[:, :, None], 1)
