"""The Triton kernels of the reassembly and its adjoint; `fused` launches them.

A tile of the map reads each tap once for all the output pixels it serves: s² of them where
channels lie next to each other, and s rows of them where pixels do (there the s columns are
neighbouring threads, which share the read).
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from dysample.ops._triton_kernels import across, along, read, tile_of_program, write


@triton.jit
def output_pixels(
    y: tl.tensor,
    x: tl.tensor,
    part: tl.tensor,
    scale: tl.constexpr,
    last: tl.constexpr,
    subs: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return the output pixels of a tile, `[subs, rows]`, whether they exist, and their columns.

    `y` is a low-resolution row; `x` a low-resolution column for channels_last, else a column of
    the output. `part` counts blocks of `subs` output pixels to each of them.
    """
    sub = part * subs + tl.arange(0, subs)
    if last:
        row = y[None, :] * scale + (sub // scale)[:, None]
        column = x[None, :] * scale + (sub % scale)[:, None]
        real = (sub < scale * scale)[:, None]
        low = x
    else:
        row = y[None, :] * scale + sub[:, None]
        column = x[None, :] + (sub * 0)[:, None]
        real = (sub < scale)[:, None]
        low = x // scale
    return row, column, real, low


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
    return pixel * count + tap if last else tap * (height * width) + pixel


@triton.jit
def no_sum(
    subs: tl.constexpr, rows: tl.constexpr, channels: tl.constexpr, last: tl.constexpr
) -> tl.tensor:
    """Return zeros for each output pixel, row and channel of a tile."""
    if last:
        zeros = tl.zeros([subs, rows, channels], tl.float32)
    else:
        zeros = tl.zeros([subs, channels, rows], tl.float32)
    return zeros


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
    """Write the reassembly: k² taps of `share` of a group's `channels`."""
    parts: tl.constexpr = blocks * ((channels + share - 1) // share)
    reach = width if last else width * scale
    image, part, y, x, group, live = tile_of_program(
        height, reach, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    row, column, real, low = output_pixels(y, x, part % blocks, scale, last, subs)
    part = part // blocks
    pixels = image * height * width
    x_ptr += pixels * (channels * groups)
    kernels_ptr += pixels * (groups * side * side * scale * scale)
    out_ptr += pixels * (channels * groups * scale * scale)
    real &= live[None, :]
    kernel = tap_index(
        row, column, group[None, :] * (side * side), height * scale, width * scale,
        groups * side * side, kernels_last,
    )  # fmt: skip
    step = 1 if kernels_last else height * width * (scale * scale)
    pitch: tl.constexpr = channels * groups if last else 1
    plane = 1 if last else height * width
    plane_out = 1 if last else height * width * (scale * scale)
    target = (row * (width * scale) + column) * pitch
    axis: tl.constexpr = 2 if last else 1
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), last)
        channel = across(group * channels, last) + lane
        total = no_sum(subs, tile_rows * tile_columns * tile_groups, tile_channels, last)
        for u in range(side):
            for v in tl.static_range(side):
                i = y + (u - side // 2)
                j = low + (v - side // 2)
                inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
                there = across(inside, last) & (lane < channels)
                tap = read(x_ptr, across((i * width + j) * pitch, last) + channel * plane, there)
                weight = read(kernels_ptr, kernel + (u * side + v) * step, real)
                total += tl.expand_dims(weight, axis) * tap[None, :, :]
        there = tl.expand_dims(real, axis) & (lane < channels)[None, :, :]
        where = tl.expand_dims(target, axis) + (channel * plane_out)[None, :, :]
        write(out_ptr, where, total, there)


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
        if last:
            total = tl.zeros([tile_rows * tile_columns * tile_groups, tile_channels], tl.float32)
        else:
            total = tl.zeros([tile_channels, tile_rows * tile_columns * tile_groups], tl.float32)
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
                pixel = across((row * (width * scale) + column) * pitch, last)
                there = across(inside, last) & (lane < channels)
                received = read(gradient_ptr, pixel + channel * plane_of_gradient, there)
                total += across(weight, last) * received
        where = across((y * width + x) * pitch, last) + channel * plane
        write(out_ptr, where, total, across(live, last) & (lane < channels))
