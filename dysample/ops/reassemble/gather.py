"""The reassembly as one weighted gather of rows, which the CPU has a fast kernel for.

In channels_last memory a pixel's group of channels is one contiguous row, and the sum of k² of
them, each with a weight of its own, is what `embedding_bag` computes. A contiguous map is
transposed to rows a few channels at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dysample.ops._implementation import memory_format
from dysample.ops._window import split_pixels, tap_pixels, tap_range

if TYPE_CHECKING:
    from torch import Tensor

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# Channels transposed at a time: the buffers stay small beside the result, the rows long enough
# for the gather to be worth its index.
_SLICE = 64


def can_run_gather(x: Tensor, kernels: Tensor) -> str | None:
    """Return why the weighted gather cannot run on `x`, or None where it can."""
    if x.device.type != "cpu":
        return f"it needs the CPU, and `x` is on {x.device.type}"
    if x.dtype not in _DTYPES:
        return f"it has no kernel for {x.dtype}"
    if x.numel() == 0 or kernels.numel() == 0:
        return "`x` or `kernels` is empty"
    if kernels.numel() >= 2**31:
        return "its index of 32 bits is too narrow for so many taps"
    return None


def reassemble_gather(x: Tensor, kernels: Tensor, groups: int, scale: int, side: int) -> Tensor:
    """Return the reassembly of `x`: a bag of k² rows for each output pixel and group."""
    h, w = x.shape[2:]
    index = tap_pixels(h, w, side, x.device)[:, None, :, None]
    index = index.expand(h, scale, w, scale, side, side).reshape(-1, side * side)
    # (N, H, s, W, s, groups, k, k): pixel-major, as the bags are.
    weights = torch.unflatten(split_pixels(kernels, scale), 1, (groups, side, side))
    weights = weights.permute(0, 4, 5, 6, 7, 1, 2, 3).clone(memory_format=torch.contiguous_format)
    for tap in range(side):
        start, stop = tap_range(tap, side, h)
        weights[:, :start, ..., tap, :] = 0
        weights[:, stop:, ..., tap, :] = 0
        start, stop = tap_range(tap, side, w)
        weights[:, :, :, :start, ..., tap] = 0
        weights[:, :, :, stop:, ..., tap] = 0
    return _weighted_gather(x, index, weights, groups, (h * scale, w * scale))


def reassemble_adjoint_gather(
    grad: Tensor, kernels: Tensor, groups: int, scale: int, side: int
) -> Tensor:
    """Return the gradient in `x`: a bag of k²·s² rows of `grad` for each pixel and group."""
    n, _, height, width = grad.shape
    h, w = height // scale, width // scale
    # The pixels whose window holds a pixel lie in the window around it, in reverse order.
    pixels = tap_pixels(h, w, side, grad.device).flip(2, 3)[..., None, None]
    step = torch.arange(scale, dtype=torch.int32, device="cpu")
    row, column = pixels // w * scale + step[:, None], pixels % w * scale + step
    index = (row * width + column).reshape(h * w, -1)
    source = torch.unflatten(split_pixels(kernels, scale), 1, (groups, side, side))
    weights = kernels.new_zeros((n, h, w, groups, side, side, scale, scale))
    target = weights.permute(0, 3, 4, 5, 1, 6, 2, 7)
    for tap in range(side * side):
        u, v = divmod(tap, side)
        top, bottom = tap_range(side - 1 - u, side, h)
        left, right = tap_range(side - 1 - v, side, w)
        dy, dx = side // 2 - u, side // 2 - v
        target[:, :, u, v, top:bottom, :, left:right] = source[
            :, :, u, v, top + dy : bottom + dy, :, left + dx : right + dx
        ]
    return _weighted_gather(grad, index, weights, groups, (h, w))


def _weighted_gather(
    source: Tensor, index: Tensor, weights: Tensor, groups: int, size: tuple[int, int]
) -> Tensor:
    """Return `out[n, c, o] = Σ_t weights[n, o, q, t] · source[n, c, index[o, t]]`.

    `index` is `(O, T)` into the pixels of `source`, the same for every image and group q;
    `weights` is any shape that flattens to `(N, O, groups, T)`; O is the pixels of `size`.
    """
    n, c = source.shape[:2]
    bags, taps = index.shape
    weights = weights.view(n, bags, groups, taps)
    if memory_format(source) is torch.channels_last:
        pixels = source.shape[2] * source.shape[3]
        image = torch.arange(n, dtype=torch.int32, device="cpu").view(n, 1, 1, 1) * pixels
        group = torch.arange(groups, dtype=torch.int32, device="cpu").view(groups, 1)
        index = ((image + index[:, None]) * groups + group).view(-1, taps)
        rows = source.permute(0, 2, 3, 1).reshape(-1, c // groups)
        out = _bag(rows, index, weights)
        return out.view(n, *size, c).permute(0, 3, 1, 2)
    out = source.new_empty((n, c, *size))
    width = c // groups
    for planes_out, map_in, image_weights in zip(out.flatten(2), source, weights, strict=True):
        planes = map_in.reshape(c, -1)
        for q in range(groups):
            group_weights = image_weights[:, q]
            stop = (q + 1) * width
            for first in range(q * width, stop, _SLICE):
                part = slice(first, min(first + _SLICE, stop))
                bag = _bag(planes[part].t().contiguous(), index, group_weights)
                planes_out[part].copy_(bag.t())
    return out


def _bag(rows: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    return F.embedding_bag(index, rows, mode="sum", per_sample_weights=weights.reshape(index.shape))
