"""The affinity as one small matrix product for each low-resolution pixel and group.

The s² output pixels of a low-resolution pixel meet the same k² taps: an (s² × D) by (D × k²)
product over a window gathered a few rows of the map at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._window import accumulator_dtype, split_pixels

if TYPE_CHECKING:
    from torch import Tensor

# Elements of gathered windows at a time: 2 MiB of float32, which stay in a core's cache.
_WINDOWS = 2**19


def can_run_gather(key: Tensor) -> str | None:
    """Return why the gathered matrix products cannot run on `key`, or None where they can."""
    if key.device.type != "cpu":
        return f"it needs the CPU, and `key` is on {key.device.type}"
    if not key.is_floating_point():
        return f"it has no kernel for {key.dtype}"
    if key.numel() == 0:
        return "`key` is empty"
    return None


def affinity_gather(query: Tensor, key: Tensor, side: int, groups: int, scale: int) -> Tensor:
    """Return the logits `(N, groups·k², sH, sW)`, in the layout of `query`."""
    n, channels, h, w = key.shape
    r, taps, dtype = side // 2, side * side, accumulator_dtype(key)
    layout = memory_format(query)
    rows = key.new_zeros((n, h + 2 * r, w + 2 * r, groups, channels // groups), dtype=dtype)
    rows[:, r : r + h, r : r + w] = torch.unflatten(key.permute(0, 2, 3, 1), 3, (groups, -1))
    # (N, H, W, groups, D, k, k): a view.
    windows = rows.unfold(1, side, 1).unfold(2, side, 1)
    split = _pixel_major(split_pixels(query, scale), groups)
    out = torch.empty(
        (n, groups * taps, h * scale, w * scale),
        dtype=query.dtype,
        device=query.device,
        memory_format=layout,
    )
    target = _pixel_major(split_pixels(out, scale), groups)
    step = max(1, _WINDOWS // (w * taps * channels))
    for image in range(n):
        for top in range(0, h, step):
            part = slice(top, top + step)
            window = windows[image, part].permute(0, 1, 2, 4, 5, 3)
            left = split[image, part].to(dtype)
            with torch.autocast("cpu", enabled=False):  # which would have it in half precision
                logits = torch.bmm(
                    left.reshape(-1, scale * scale, left.shape[-1]),
                    window.reshape(-1, taps, left.shape[-1]).transpose(1, 2),
                )
            target[image, part] = logits.view(*left.shape[:-1], taps)
    return out


def _pixel_major(x: Tensor, groups: int) -> Tensor:
    """Return `(N, groups·D, H, s, W, s)` as `(N, H, W, groups, s, s, D)`, a view."""
    return torch.unflatten(x, 1, (groups, -1)).permute(0, 3, 5, 1, 4, 6, 2)
