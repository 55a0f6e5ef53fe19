"""What the Triton kernels of the three operators share; imports triton, so only they import this.

A program's tile is a rectangle of pixels, some groups and some channels. Its rows are pixels with
a group each. Values are `[rows, channels]` where the channels of a pixel lie next to each other
in memory and `[channels, rows]` where neighbouring pixels do, so that neighbouring threads read
and write neighbouring values in both.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def across(rows: tl.tensor, last: tl.constexpr) -> tl.tensor:
    """Return a value for each row, to broadcast over channels."""
    return rows[:, None] if last else rows[None, :]


@triton.jit
def along(channels: tl.tensor, last: tl.constexpr) -> tl.tensor:
    """Return a value for each channel, to broadcast over rows."""
    return channels[None, :] if last else channels[:, None]


# Up to Triton 3.6 a warp is laid across channels wherever the compiler does not know which values
# are neighbours in memory: in planes, a read of many short pieces. So `address` says that pixels
# are, as most are. Not to be relied on for more, it says as well that no address is aligned: then
# nothing is joined into wider reads, and all that comes of it is the order of threads.
@triton.jit
def address(pixels: tl.tensor, pitch: tl.constexpr, last: tl.constexpr) -> tl.tensor:
    """Return where the `pixels` of each row lie, `pitch` apart, to broadcast over channels."""
    if last:
        where = (pixels * pitch)[:, None]
    else:
        where = tl.multiple_of(tl.max_contiguous(pixels[None, :], [1, 32]), [1, 1])
    return where


@triton.jit
def read(ptr: tl.tensor, index: tl.tensor, mask: tl.tensor) -> tl.tensor:
    """Return float32 values, 0 where `mask` is false."""
    return tl.load(ptr + index, mask, 0).to(tl.float32)


@triton.jit
def write(ptr: tl.tensor, index: tl.tensor, value: tl.tensor, mask: tl.tensor) -> None:
    """Store values in the dtype of `ptr`."""
    tl.store(ptr + index, value.to(ptr.dtype.element_ty), mask)


@triton.jit
def tile_of_program(
    height: tl.tensor,
    width: tl.tensor,
    groups: tl.constexpr,
    parts: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    long: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return the image and the part of this program, and its rows: y, x, group, on the map or not.

    `parts` programs share a tile of the `height` × `width` map. Rows off the map repeat its last
    pixel and group, so that every address is valid and only stores need a mask.
    """
    program = tl.program_id(0)
    part = program % parts
    program = program // parts
    bundles: tl.constexpr = (groups + tile_groups - 1) // tile_groups
    lane = tl.arange(0, tile_rows * tile_columns * tile_groups)
    group = (program % bundles) * tile_groups + lane % tile_groups
    program = program // bundles
    lane = lane // tile_groups
    columns = tl.cdiv(width, tile_columns)
    x = (program % columns) * tile_columns + lane % tile_columns
    program = program // columns
    rows = tl.cdiv(height, tile_rows)
    y = (program % rows) * tile_rows + lane // tile_columns
    live = (y < height) & (x < width) & (group < groups)
    y = tl.minimum(y, height - 1)
    x = tl.minimum(x, width - 1)
    group = tl.minimum(group, groups - 1)
    if long:
        y = y.to(tl.int64)
        x = x.to(tl.int64)
        group = group.to(tl.int64)
    return (program // rows).to(tl.int64), part, y, x, group, live
