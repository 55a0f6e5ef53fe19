"""What the Triton kernels of the three operators share: when they run, and in which tiles.

Nothing here imports triton: that happens when the first kernel is launched.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format, require

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from dysample.ops._implementation import Reason

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
_CAPABILITY = (8, 0)  # what Triton supports
# Programs that keep the 132 multiprocessors of an H100 or H200 busy, eight blocks to each.
_ENOUGH_PROGRAMS = 1024
# Bytes that neighbouring threads should write next to each other: four sectors of a cache line.
_LINE_BYTES = 128


def can_run_triton(*maps: Tensor | None) -> Reason:
    """Return why the Triton kernels cannot run on `maps`, or None where they can.

    On the CPU they run in Triton's interpreter alone, which is for tests.
    """
    given = [item for item in maps if item is not None]
    for item in given:
        if item.dtype not in _DTYPES:
            return f"it has no kernel for {item.dtype}"
        if item.numel() == 0:
            return "a tensor is empty"
        if item.device != given[0].device:
            return f"the tensors are on {given[0].device} and {item.device}"
    if not _installed():
        return "it needs triton, which is not installed: pip install 'dybench[triton]'"
    return _unfit(given[0].device)


def takes_triton(implementation: str, operator: str, *maps: Tensor | None) -> bool:
    """Whether the Triton kernels are asked for by name, or are the best where none is.

    Raises:
        ValueError: they are asked for by name, and cannot run on `maps`.
    """
    if implementation == "triton":
        require(implementation, operator, can_run_triton(*maps))
        return True
    first = maps[0]
    by_itself = implementation == "auto" and first is not None and first.is_cuda
    return by_itself and can_run_triton(*maps) is None


def _unfit(device: torch.device) -> Reason:
    if device.type == "cuda":
        have = _capability(device)
        if torch.version.hip is None and have < _CAPABILITY:
            return f"it needs compute capability 8.0, and the device has {have[0]}.{have[1]}"
        return None
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1":
        return None
    return f"it needs a CUDA device, and the tensors are on {device.type}"


@functools.cache
def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def on_device(x: Tensor) -> AbstractContextManager[object]:
    """Return the context in which a kernel launches on the device of `x`."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def dense(x: Tensor, layout: torch.memory_format | None = None) -> Tensor:
    """Return `x` without gaps, in `layout` or else in the one that it is nearest to."""
    return x.contiguous(memory_format=memory_format(x) if layout is None else layout)


def is_channels_last(x: Tensor) -> bool:
    """Whether a dense `x` has the channels of a pixel next to each other."""
    return memory_format(x) is torch.channels_last


def needs_long(*maps: Tensor | None) -> bool:
    """Whether an index into one image of a dense map overflows 32 bits."""
    return any(item is not None and item.numel() >= item.shape[0] << 31 for item in maps)


@dataclass(frozen=True)
class Tile:
    """What one program computes: some channels of some groups, for a rectangle of pixels."""

    rows: int
    columns: int
    groups: int
    channels: int

    def programs(self, n: int, height: int, width: int, groups: int) -> int:
        """Return how many tiles cover all but the channels of a group."""
        down, across = ceil_div(height, self.rows), ceil_div(width, self.columns)
        return n * down * across * ceil_div(groups, self.groups)

    def halved(self) -> Tile:
        """Return a tile of half the pixels, for a kernel whose values take twice the registers."""
        if self.rows > 1:
            return replace(self, rows=self.rows // 2)
        return replace(self, columns=max(1, self.columns // 2))

    def arguments(self) -> dict[str, int]:
        """Return the tile as the kernels take it."""
        return {
            "tile_rows": self.rows,
            "tile_columns": self.columns,
            "tile_groups": self.groups,
            "tile_channels": self.channels,
        }


def map_tile(last: bool, width: int, channels: int, groups: int, item_bytes: int) -> Tile:
    """Return the tile for a map of `width` columns, and groups of `channels` each.

    In planes: 32 neighbouring columns to a warp, and 8 channels at a time; two rows, where the
    map is wide enough, since they share rows of the source. In channels_last: 16 values to a
    thread, read 16 bytes at a time; a group too narrow to fill a cache line is taken together
    with its neighbours.
    """
    if not last:
        columns = min(64, power_of_2(width))
        return Tile(128 // columns, columns, 1, min(8, power_of_2(channels)))
    at_once = min(2 * _LINE_BYTES // item_bytes, power_of_2(channels))
    together = 1
    while at_once * together * item_bytes < _LINE_BYTES and together < groups:
        together *= 2
    pixels = max(4, min(32, 2048 // (at_once * together)))
    columns = min(16, pixels, power_of_2(width))
    return Tile(pixels // columns, columns, together, at_once)


def window_tile(
    last: bool, width: int, channels: int, groups: int, scale: int, item_bytes: int
) -> tuple[Tile, int, int]:
    """Return a tile of a low-resolution map whose pixels each serve several output pixels.

    With it, how many of them at once, and how often to have all. In planes, the tile's columns
    are the output's, and the output pixels of a column lie below each other.
    """
    if not last:
        at_once = min(4, power_of_2(scale))
        tile = map_tile(last, width * scale, channels, groups, item_bytes)
        return tile, at_once, ceil_div(scale, at_once)
    at_once = min(4, power_of_2(scale * scale))
    tile = map_tile(last, width, channels, groups, item_bytes)
    tile = replace(tile, columns=max(1, tile.columns // 2))
    return tile, at_once, ceil_div(scale * scale, at_once)


def channels_a_program(programs: int, channels: int, at_once: int) -> int:
    """Return how many channels of a group one program walks over: few where programs are."""
    share = ceil_div(channels, at_once) * at_once
    while programs * ceil_div(channels, share) < _ENOUGH_PROGRAMS and share > at_once:
        share = ceil_div(share // 2, at_once) * at_once
    return share


def window_rows_a_program(programs: int, side: int) -> int:
    """Return how many rows of a window one program walks over: one where programs are few."""
    return side if programs >= _ENOUGH_PROGRAMS else 1


def ceil_div(value: int, by: int) -> int:
    """Return `value / by`, rounded up."""
    return -(-value // by)


def power_of_2(value: int) -> int:
    """Return the smallest power of two that is at least `value`."""
    return 1 << (value - 1).bit_length()
