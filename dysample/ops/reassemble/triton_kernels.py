"""The Triton kernels of the reassembly and its adjoint; `fused` launches them.

A tile of the map reads each tap once for all the output pixels it serves: s² of them where
channels lie next to each other, and s rows of them where pixels do (there the s columns are
neighbouring threads, which share the read).
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from dysample.ops._triton_kernels import across, address, along, read, tile_of_program, write


@triton.jit
def output_pixel(
    y: tl.tensor, x: tl.tensor, sub: tl.tensor, scale: tl.constexpr, last: tl.constexpr
) -> tuple[tl.tensor, ...]:
    """Return the row and column of output pixel number `sub` of a tile's pixels, and if it exists.

    `y` is a low-resolution row; `x` a low-resolution column for channels_last, which then has s²
    output pixels, and else a column of the output, which has s below each other.
    """
    row = y * scale + (sub // scale if last else sub)
    column = x * scale + sub % scale if last else x
    # Not `sub` alone: a comparison of scalars does not mix with masks in the interpreter.
    real = sub + y * 0 < (scale * scale if last else scale)
    return row, column, real


@triton.jit
def tap_index(
    row: tl.tensor,
    column: tl.tensor,
    tap: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    count: tl.constexpr,
    last: tl.constexpr,
) -> tl.tensor:
    """Return where tap number `tap` of a pixel lies in its image's `count` maps of taps."""
    pixel = row * width + column
    if last:
        index = pixel * count + tap
    else:
        index = tap * (height * width) + pixel
        if len(index.shape) == 2:  # as `address` does
            index = tl.multiple_of(tl.max_contiguous(index, [1, 32]), [1, 1])
    return index


@triton.jit
def no_sum(rows: tl.constexpr, channels: tl.constexpr, last: tl.constexpr) -> tl.tensor:
    """Return zeros for each row and channel of a tile."""
    if last:
        zeros = tl.zeros([rows, channels], tl.float32)
    else:
        zeros = tl.zeros([channels, rows], tl.float32)
    return zeros


@triton.jit
def _kernel_of(
    y: tl.tensor,
    x: tl.tensor,
    group: tl.tensor,
    sub: tl.tensor,
    live: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    groups: tl.constexpr,
    scale: tl.constexpr,
    side: tl.constexpr,
    last: tl.constexpr,
    kernels_last: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return where the first tap of an output pixel lies, where the pixel, and if it exists."""
    row, column, real = output_pixel(y, x, sub, scale, last)
    count: tl.constexpr = groups * side * side
    large, wide = height * scale, width * scale
    tap = tap_index(row, column, group * (side * side), large, wide, count, kernels_last)
    return tap, row * wide + column, live & real


@triton.jit(do_not_specialize=["height", "width"])
def reassemble_kernel(
    x_ptr: tl.tensor,
    kernels_ptr: tl.tensor,
    out_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    side: tl.constexpr,
    last: tl.constexpr,
    kernels_last: tl.constexpr,
    subs: tl.constexpr,
    blocks: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Write the reassembly of `share` of a group's `channels`, at `subs` ≤ 4 output pixels each.

    Their four sums are spelled out: as one tensor of three dimensions they made ptxas spill.
    """
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
    parts: tl.constexpr = blocks * ((channels + share - 1) // share)
    reach = width if last else width * scale
    image, part, y, x, group, live = tile_of_program(
        height, reach, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    low = x if last else x // scale
    sub = (part % blocks) * subs
    part = part // blocks
    k0, pixel0, live0 = _kernel_of(
        y, x, group, sub, live, height, width, groups, scale, side, last, kernels_last
    )
    k1, pixel1, live1 = _kernel_of(
        y, x, group, sub + 1, live, height, width, groups, scale, side, last, kernels_last
    )
    k2, pixel2, live2 = _kernel_of(
        y, x, group, sub + 2, live, height, width, groups, scale, side, last, kernels_last
    )
    k3, pixel3, live3 = _kernel_of(
        y, x, group, sub + 3, live, height, width, groups, scale, side, last, kernels_last
    )
    pixels = image * height * width
    x_ptr += pixels * (channels * groups)
    kernels_ptr += pixels * (groups * side * side * scale * scale)
    out_ptr += pixels * (channels * groups * scale * scale)
    step = 1 if kernels_last else height * width * (scale * scale)
    pitch: tl.constexpr = channels * groups if last else 1
    plane = 1 if last else height * width
    plane_out = 1 if last else height * width * (scale * scale)
    rows: tl.constexpr = tile_rows * tile_columns * tile_groups
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), last)
        channel = across(group * channels, last) + lane
        total0 = no_sum(rows, tile_channels, last)
        total1 = total0
        total2 = total0
        total3 = total0
        for u in range(side):
            for v in tl.static_range(side):
                i = y + (u - side // 2)
                j = low + (v - side // 2)
                inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                there = across(inside, last) & (lane < channels)
                value = read(x_ptr, address(i * width + j, pitch, last) + channel * plane, there)
                tap = (u * side + v) * step
                total0 += across(read(kernels_ptr, k0 + tap, live0), last) * value
                if subs > 1:
                    total1 += across(read(kernels_ptr, k1 + tap, live1), last) * value
                if subs > 2:
                    total2 += across(read(kernels_ptr, k2 + tap, live2), last) * value
                    total3 += across(read(kernels_ptr, k3 + tap, live3), last) * value
        channel *= plane_out
        there = lane < channels
        live0_ = across(live0, last) & there
        write(out_ptr, address(pixel0, pitch, last) + channel, total0, live0_)
        if subs > 1:
            live1_ = across(live1, last) & there
            write(out_ptr, address(pixel1, pitch, last) + channel, total1, live1_)
        if subs > 2:
            live2_ = across(live2, last) & there
            write(out_ptr, address(pixel2, pitch, last) + channel, total2, live2_)
            live3_ = across(live3, last) & there
            write(out_ptr, address(pixel3, pitch, last) + channel, total3, live3_)


@triton.jit(do_not_specialize=["height", "width"])
def adjoint_kernel(
    gradient_ptr: tl.tensor,
    kernels_ptr: tl.tensor,
    out_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    side: tl.constexpr,
    last: tl.constexpr,
    kernels_last: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Write the gradient of the map: k²·s² reads for each of its pixels, and no atomics."""
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
    parts: tl.constexpr = (channels + share - 1) // share
    image, part, y, x, group, live = tile_of_program(
        height, width, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    pixels = image * height * width
    out_ptr += pixels * (channels * groups)
    kernels_ptr += pixels * (groups * side * side * scale * scale)
    gradient_ptr += pixels * (channels * groups * scale * scale)
    step = 1 if kernels_last else height * width * (scale * scale)
    pitch: tl.constexpr = channels * groups if last else 1
    plane = 1 if last else height * width
    plane_of_gradient = 1 if last else height * width * (scale * scale)
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), last)
        channel = across(group * channels, last) + lane
        total = no_sum(tile_rows * tile_columns * tile_groups, tile_channels, last)
        for tap in range(side * side):
            # The pixel whose window has this one for its tap number `tap`.
            i = y + (side // 2 - tap // side)
            j = x + (side // 2 - tap % side)
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            for sub in tl.static_range(scale * scale):
                row = i * scale + sub // scale
                column = j * scale + sub % scale
                kernel = tap_index(
                    row, column, group * (side * side), height * scale, width * scale,
                    groups * side * side, kernels_last,
                )  # fmt: skip
                weight = read(kernels_ptr, kernel + tap * step, inside)
                pixel = address(row * (width * scale) + column, pitch, last)
                there = across(inside, last) & (lane < channels)
                received = read(gradient_ptr, pixel + channel * plane_of_gradient, there)
                total += across(weight, last) * received
        where = address(y * width + x, pitch, last) + channel * plane
        write(out_ptr, where, total, across(live, last) & (lane < channels))
