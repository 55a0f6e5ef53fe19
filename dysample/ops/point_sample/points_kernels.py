"""The Triton kernels of `point_sample`; `points` launches them, and it alone imports this.

A tile of output pixels walks over channels, and for each of their points reads four pixels of the
map. What lies off the map reads as zero and receives nothing; with border padding nothing does.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from dysample.ops._triton_kernels import across, address, along, read, tile_of_program, write
from dysample.ops.point_sample.triton_kernels import _corners, _scatter


@triton.jit
def _axis(
    positions_ptr: tl.tensor,
    index: tl.tensor,
    length: tl.tensor,
    zeros: tl.constexpr,
    long: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return both taps along an axis, whether each is on the map, the share of the second.

    Last comes whether the position counts for the gradient: not where it was clamped.
    """
    position = tl.load(positions_ptr + index).to(tl.float32)
    margin: tl.constexpr = 2 if zeros else 0
    high = (length - 1 + margin).to(tl.float32)
    free = (position > -margin) & (position < high)
    # Written so that a NaN goes to the border, and never off the map.
    position = tl.where(position > -margin, position, -margin)
    position = tl.where(position < high, position, high)
    whole = tl.floor(position)
    first = whole.to(tl.int64 if long else tl.int32)
    second = first + 1
    share = position - whole
    first_on = (first >= 0) & (first < length)
    second_on = (second >= 0) & (second < length)
    if not zeros:  # the neighbour of the last pixel is the pixel itself, and has no share
        second_on = first_on
    last = length - 1
    first = tl.minimum(tl.maximum(first, 0), last)
    second = tl.minimum(tl.maximum(second, 0), last)
    return first, second, first_on, second_on, share, free


@triton.jit(do_not_specialize=["height", "width", "out_height", "out_width"])
def points_kernel(
    x_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    out_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    points: tl.constexpr,
    weighted: tl.constexpr,
    zeros: tl.constexpr,
    x_last: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Write the sum of the points; a program takes `share` of a group's `channels`."""
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
        out_height = out_height.to(tl.int64)
        out_width = out_width.to(tl.int64)
    parts: tl.constexpr = (channels + share - 1) // share
    image, part, y, x, group, live = tile_of_program(
        out_height, out_width, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    pixels = out_height * out_width
    positions_ptr += image * pixels * (2 * groups * points)
    weights_ptr += image * pixels * (groups * points)
    x_ptr += image * height * width * (channels * groups)
    out_ptr += image * pixels * (channels * groups)
    pitch: tl.constexpr = channels * groups if x_last else 1
    target = address(y * out_width + x, pitch, x_last)
    live = across(live, x_last)
    plane = 1 if x_last else height * width
    plane_out = 1 if x_last else pixels
    step = pixels * (groups * points)
    rows: tl.constexpr = tile_rows * tile_columns * tile_groups
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), x_last)
        there = lane < channels
        channel = across(group * channels, x_last) + lane
        source = channel * plane
        total = tl.zeros((rows, tile_channels) if x_last else (tile_channels, rows), tl.float32)
        for point in range(points):
            index = (group * points + point) * pixels + y * out_width + x
            left, right, left_on, right_on, fx, _ = _axis(positions_ptr, index, width, zeros, long)
            top, bottom, top_on, bottom_on, fy, _ = _axis(
                positions_ptr, index + step, height, zeros, long
            )
            weight = tl.zeros_like(fx) + 1
            if weighted:
                weight = tl.load(weights_ptr + index).to(tl.float32)
            p00, p01, p10, p11 = _corners(left, right, top, bottom, width, pitch, x_last)
            total += across(weight * (1 - fy) * (1 - fx), x_last) * read(
                x_ptr, p00 + source, there & across(top_on & left_on, x_last)
            )
            total += across(weight * (1 - fy) * fx, x_last) * read(
                x_ptr, p01 + source, there & across(top_on & right_on, x_last)
            )
            total += across(weight * fy * (1 - fx), x_last) * read(
                x_ptr, p10 + source, there & across(bottom_on & left_on, x_last)
            )
            total += across(weight * fy * fx, x_last) * read(
                x_ptr, p11 + source, there & across(bottom_on & right_on, x_last)
            )
        write(out_ptr, target + channel * plane_out, total, live & there)


@triton.jit(do_not_specialize=["height", "width", "out_height", "out_width"])
def points_backward_kernel(
    gradient_ptr: tl.tensor,
    x_ptr: tl.tensor,
    positions_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    of_x_ptr: tl.tensor,
    of_positions_ptr: tl.tensor,
    of_weights_ptr: tl.tensor,
    unit_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    out_height: tl.tensor,
    out_width: tl.tensor,
    need_x: tl.constexpr,
    need_positions: tl.constexpr,
    need_weights: tl.constexpr,
    channels: tl.constexpr,
    groups: tl.constexpr,
    points: tl.constexpr,
    weighted: tl.constexpr,
    zeros: tl.constexpr,
    x_last: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Add up the gradient of the map, and write those of the positions and weights, contiguous.

    Those are sums over the channels of a group: a program that is to write them takes all.
    """
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
        out_height = out_height.to(tl.int64)
        out_width = out_width.to(tl.int64)
    parts: tl.constexpr = (channels + share - 1) // share
    image, part, y, x, group, live_rows = tile_of_program(
        out_height, out_width, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    pixels = out_height * out_width
    positions_ptr += image * pixels * (2 * groups * points)
    of_positions_ptr += image * pixels * (2 * groups * points)
    weights_ptr += image * pixels * (groups * points)
    of_weights_ptr += image * pixels * (groups * points)
    x_ptr += image * height * width * (channels * groups)
    of_x_ptr += image * height * width * (channels * groups)
    gradient_ptr += image * pixels * (channels * groups)
    pitch: tl.constexpr = channels * groups if x_last else 1
    target = address(y * out_width + x, pitch, x_last)
    live = across(live_rows, x_last)
    plane = 1 if x_last else height * width
    plane_out = 1 if x_last else pixels
    step = pixels * (groups * points)
    along_channels: tl.constexpr = 1 if x_last else 0
    for point in range(points):
        index = (group * points + point) * pixels + y * out_width + x
        left, right, left_on, right_on, fx, free_x = _axis(positions_ptr, index, width, zeros, long)
        top, bottom, top_on, bottom_on, fy, free_y = _axis(
            positions_ptr, index + step, height, zeros, long
        )
        weight = tl.zeros_like(fx) + 1
        if weighted:
            weight = tl.load(weights_ptr + index).to(tl.float32)
        p00, p01, p10, p11 = _corners(left, right, top, bottom, width, pitch, x_last)
        on00 = across(top_on & left_on, x_last)
        on01 = across(top_on & right_on, x_last)
        on10 = across(bottom_on & left_on, x_last)
        on11 = across(bottom_on & right_on, x_last)
        wx = across(fx, x_last)
        wy = across(fy, x_last)
        sum_x = tl.zeros_like(fx)
        sum_y = tl.zeros_like(fy)
        sum_read = tl.zeros_like(fx)
        for start in range(0, share, tile_channels):
            lane = along(part * share + start + tl.arange(0, tile_channels), x_last)
            there = (lane < channels) & live
            channel = across(group * channels, x_last) + lane
            source = channel * plane
            received = read(gradient_ptr, target + channel * plane_out, there)
            if need_positions or need_weights:
                x00 = read(x_ptr, p00 + source, there & on00)
                x01 = read(x_ptr, p01 + source, there & on01)
                x10 = read(x_ptr, p10 + source, there & on10)
                x11 = read(x_ptr, p11 + source, there & on11)
                slope = (1 - wy) * (x01 - x00) + wy * (x11 - x10)
                sum_x += tl.sum(received * slope, along_channels)
                slope = (1 - wx) * (x10 - x00) + wx * (x11 - x01)
                sum_y += tl.sum(received * slope, along_channels)
                value = (1 - wy) * ((1 - wx) * x00 + wx * x01)
                value += wy * ((1 - wx) * x10 + wx * x11)
                sum_read += tl.sum(received * value, along_channels)
            if need_x:
                passed = received * across(weight, x_last)
                shared = passed * ((1 - wy) * (1 - wx))
                _scatter(of_x_ptr, p00 + source, shared, unit_ptr, there & on00)
                shared = passed * ((1 - wy) * wx)
                _scatter(of_x_ptr, p01 + source, shared, unit_ptr, there & on01)
                shared = passed * (wy * (1 - wx))
                _scatter(of_x_ptr, p10 + source, shared, unit_ptr, there & on10)
                shared = passed * (wy * wx)
                _scatter(of_x_ptr, p11 + source, shared, unit_ptr, there & on11)
        if need_positions:
            sum_x = tl.where(free_x, sum_x * weight, 0)
            sum_y = tl.where(free_y, sum_y * weight, 0)
            write(of_positions_ptr, index, sum_x, live_rows)
            write(of_positions_ptr, index + step, sum_y, live_rows)
        if need_weights:
            write(of_weights_ptr, index, sum_read, live_rows)
