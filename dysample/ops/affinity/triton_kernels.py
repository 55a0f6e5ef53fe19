"""The Triton kernel of the affinity; `fused` launches it."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from dysample.ops._triton_kernels import across, address, along, read, tile_of_program, write
from dysample.ops.reassemble.triton_kernels import no_sum, output_pixel, tap_index


@triton.jit(do_not_specialize=["height", "width"])
def affinity_kernel(
    query_ptr: tl.tensor,
    key_ptr: tl.tensor,
    out_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    side: tl.constexpr,
    window_rows: tl.constexpr,
    last: tl.constexpr,
    subs: tl.constexpr,
    blocks: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Write the k² inner products of each output pixel and group, or those of a window's row.

    `window_rows` is `side` or 1; sums never leave a program.
    """
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
    reach = width if last else width * scale
    parts: tl.constexpr = blocks * (side // window_rows)
    image, part, y, x, group, live = tile_of_program(
        height, reach, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    first_row = (part // blocks) * window_rows
    part = part % blocks
    low = x if last else x // scale
    sub = (part * subs + tl.arange(0, subs))[:, None]
    row, column, real = output_pixel(y[None, :], x[None, :], sub, scale, last)
    pixels = image * height * width
    key_ptr += pixels * (channels * groups)
    query_ptr += pixels * (channels * groups * scale * scale)
    out_ptr += pixels * (groups * side * side * scale * scale)
    real = real & live[None, :]
    pitch: tl.constexpr = channels * groups if last else 1
    plane = 1 if last else height * width
    plane_of_query = 1 if last else height * width * (scale * scale)
    axis: tl.constexpr = 2 if last else 1
    source = tl.expand_dims((row * (width * scale) + column) * pitch, axis)
    if not last:  # as `address` does
        source = tl.multiple_of(tl.max_contiguous(source, [1, 1, 32]), [1, 1, 1])
    exists = tl.expand_dims(real, axis)
    first = across(group * channels, last)
    lane = along(tl.arange(0, tile_channels), last)
    if channels <= tile_channels:
        where = source + ((first + lane) * plane_of_query)[None, :, :]
        query = read(query_ptr, where, exists & (lane < channels)[None, :, :])
    for window_row in range(window_rows):
        u = first_row + window_row
        for v in range(side):
            i = y + (u - side // 2)
            j = low + (v - side // 2)
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            pixel = address(i * width + j, pitch, last)
            none = no_sum(tile_rows * tile_columns * tile_groups, tile_channels, last)
            total = none[None, :, :] + tl.zeros([subs, 1, 1], tl.float32)
            for start in range(0, channels, tile_channels):
                channel = first + start + lane
                there = start + lane < channels
                key = read(key_ptr, pixel + channel * plane, across(inside, last) & there)
                if channels > tile_channels:
                    where = source + (channel * plane_of_query)[None, :, :]
                    query = read(query_ptr, where, exists & there[None, :, :])
                total += query * key[None, :, :]
            logit = tl.sum(total, axis)
            tap = group[None, :] * (side * side) + (u * side + v)
            target = tap_index(
                row, column, tap, height * scale, width * scale, groups * side * side, last
            )
            write(out_ptr, target, logit, real)
