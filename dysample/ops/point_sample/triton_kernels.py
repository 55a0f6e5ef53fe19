"""The Triton kernels of `offset_sample`; `fused` launches them, and it alone imports this.

A tile of output pixels finds its positions in registers, relative to the pixel below each, so
that the width of a map costs no precision; then it walks over channels.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from dysample.ops._triton_kernels import across, address, along, read, tile_of_program, write


@triton.jit
def _offset_index(
    y: tl.tensor,
    x: tl.tensor,
    group: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    groups: tl.constexpr,
    scale: tl.constexpr,
    lp: tl.constexpr,
    last: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return where a row's shift in x lies in its image's offsets, and how far on that in y is."""
    half: tl.constexpr = groups * scale * scale if lp else groups
    if lp:
        channel = (group * scale + y % scale) * scale + x % scale
        pixel = (y // scale) * width + x // scale
        pixels = height * width
    else:
        channel = group
        pixel = y * (width * scale) + x
        pixels = height * width * (scale * scale)
    index = pixel * (2 * half) + channel if last else channel * pixels + pixel
    step = half if last else half * pixels
    return index, step


@triton.jit
def _shift(
    offset_ptr: tl.tensor, scope_ptr: tl.tensor, index: tl.tensor, dynamic: tl.constexpr
) -> tuple[tl.tensor, ...]:
    """Return an offset, and what to multiply it by, halved twice over where that is constant."""
    offset = tl.load(offset_ptr + index).to(tl.float32)
    gate = tl.zeros_like(offset) + 0.5
    if dynamic:
        gate = tl.sigmoid(tl.load(scope_ptr + index).to(tl.float32))
    return offset, gate


@triton.jit
def _taps(
    shift: tl.tensor, at: tl.tensor, length: tl.tensor, scale: tl.constexpr
) -> tuple[tl.tensor, ...]:
    """Return both taps along an axis, the weight of the second, and whether the shift counts.

    `at` is the output row or column, `shift` in low-resolution pixels.
    """
    pixel = at // scale
    shift += ((at % scale).to(tl.float32) - (scale - 1) / 2) * (1 / scale)
    low = -pixel.to(tl.float32)
    high = (length - 1 - pixel).to(tl.float32)
    free = (shift > low) & (shift < high)
    # Written so that a NaN goes to the border, and never off the map.
    shift = tl.where(shift > low, shift, low)
    shift = tl.where(shift < high, shift, high)
    whole = tl.floor(shift)
    first = pixel + whole.to(tl.int32)
    return first, tl.minimum(first + 1, length - 1), shift - whole, free


@triton.jit
def _corners(
    left: tl.tensor,
    right: tl.tensor,
    top: tl.tensor,
    bottom: tl.tensor,
    width: tl.tensor,
    pitch: tl.constexpr,
    last: tl.constexpr,
) -> tuple[tl.tensor, ...]:
    """Return where in a plane the four pixels around each position lie."""
    p00 = address(top * width + left, pitch, last)
    p01 = address(top * width + right, pitch, last)
    p10 = address(bottom * width + left, pitch, last)
    p11 = address(bottom * width + right, pitch, last)
    return p00, p01, p10, p11


@triton.jit(do_not_specialize=["height", "width"])
def forward_kernel(
    x_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    scope_ptr: tl.tensor,
    out_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    lp: tl.constexpr,
    dynamic: tl.constexpr,
    x_last: tl.constexpr,
    offset_last: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Write the upsampled map; a program takes `share` of a group's `channels`."""
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
    parts: tl.constexpr = (channels + share - 1) // share
    image, part, y, x, group, live = tile_of_program(
        height * scale, width * scale, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    pixels = image * height * width
    skip = pixels * (2 * groups * scale * scale)
    index, step = _offset_index(y, x, group, height, width, groups, scale, lp, offset_last)
    offset, gate = _shift(offset_ptr + skip, scope_ptr + skip, index, dynamic)
    left, right, fx, _ = _taps(offset * 0.5 * gate, x, width, scale)
    offset, gate = _shift(offset_ptr + skip, scope_ptr + skip, index + step, dynamic)
    top, bottom, fy, _ = _taps(offset * 0.5 * gate, y, height, scale)
    w00 = across((1 - fy) * (1 - fx), x_last)
    w01 = across((1 - fy) * fx, x_last)
    w10 = across(fy * (1 - fx), x_last)
    w11 = across(fy * fx, x_last)
    x_ptr += pixels * (channels * groups)
    out_ptr += pixels * (channels * groups * scale * scale)
    pitch: tl.constexpr = channels * groups if x_last else 1
    p00, p01, p10, p11 = _corners(left, right, top, bottom, width, pitch, x_last)
    target = address(y * (width * scale) + x, pitch, x_last)
    live = across(live, x_last)
    plane = 1 if x_last else height * width
    plane_out = 1 if x_last else height * width * (scale * scale)
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), x_last)
        there = lane < channels
        channel = across(group * channels, x_last) + lane
        source = channel * plane
        value = w00 * read(x_ptr, p00 + source, there)
        value += w01 * read(x_ptr, p01 + source, there)
        value += w10 * read(x_ptr, p10 + source, there)
        value += w11 * read(x_ptr, p11 + source, there)
        write(out_ptr, target + channel * plane_out, value, live & there)


@triton.jit
def _scatter(
    ptr: tl.tensor, index: tl.tensor, value: tl.tensor, unit_ptr: tl.tensor, mask: tl.tensor
) -> None:
    """Add values, in float32, or as a whole number of units where the sums are integers."""
    if ptr.dtype.element_ty == tl.int64:
        value = (value * tl.load(unit_ptr)).to(tl.int64)
    tl.atomic_add(ptr + index, value, mask, sem="relaxed")


@triton.jit
def _write_gradients(
    of_offset_ptr: tl.tensor,
    of_scope_ptr: tl.tensor,
    index: tl.tensor,
    gradient: tl.tensor,
    offset: tl.tensor,
    gate: tl.tensor,
    live: tl.tensor,
    need_offset: tl.constexpr,
    need_scope: tl.constexpr,
) -> None:
    """Write the gradients of an offset and of its scope, given that of the position."""
    if need_offset:
        write(of_offset_ptr, index, gradient * (0.5 * gate), live)
    if need_scope:
        write(of_scope_ptr, index, gradient * offset * (0.5 * gate * (1 - gate)), live)


@triton.jit(do_not_specialize=["height", "width"])
def backward_kernel(
    gradient_ptr: tl.tensor,
    x_ptr: tl.tensor,
    offset_ptr: tl.tensor,
    scope_ptr: tl.tensor,
    of_x_ptr: tl.tensor,
    of_offset_ptr: tl.tensor,
    of_scope_ptr: tl.tensor,
    unit_ptr: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    need_x: tl.constexpr,
    need_offset: tl.constexpr,
    need_scope: tl.constexpr,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    lp: tl.constexpr,
    dynamic: tl.constexpr,
    x_last: tl.constexpr,
    offset_last: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    tile_groups: tl.constexpr,
    tile_channels: tl.constexpr,
    share: tl.constexpr,
    long: tl.constexpr,
) -> None:
    """Add up the gradient of the map, and write those of the offsets and scopes, contiguous.

    The gradient of an offset is a sum over the channels of a group: a program that is to write it
    takes all of them, and the sum never leaves the program.
    """
    if long:  # or products of these would wrap before they meet a long number
        height = height.to(tl.int64)
        width = width.to(tl.int64)
    parts: tl.constexpr = (channels + share - 1) // share
    image, part, y, x, group, live_rows = tile_of_program(
        height * scale, width * scale, groups, parts, tile_rows, tile_columns, tile_groups, long
    )
    pixels = image * height * width
    skip = pixels * (2 * groups * scale * scale)
    index, step = _offset_index(y, x, group, height, width, groups, scale, lp, offset_last)
    offset_x, gate_x = _shift(offset_ptr + skip, scope_ptr + skip, index, dynamic)
    offset_y, gate_y = _shift(offset_ptr + skip, scope_ptr + skip, index + step, dynamic)
    left, right, fx, free_x = _taps(offset_x * 0.5 * gate_x, x, width, scale)
    top, bottom, fy, free_y = _taps(offset_y * 0.5 * gate_y, y, height, scale)
    x_ptr += pixels * (channels * groups)
    of_x_ptr += pixels * (channels * groups)
    gradient_ptr += pixels * (channels * groups * scale * scale)
    pitch: tl.constexpr = channels * groups if x_last else 1
    p00, p01, p10, p11 = _corners(left, right, top, bottom, width, pitch, x_last)
    target = address(y * (width * scale) + x, pitch, x_last)
    live = across(live_rows, x_last)
    plane = 1 if x_last else height * width
    plane_out = 1 if x_last else height * width * (scale * scale)
    sum_x = tl.zeros_like(fx)
    sum_y = tl.zeros_like(fy)
    wx = across(fx, x_last)
    wy = across(fy, x_last)
    for start in range(0, share, tile_channels):
        lane = along(part * share + start + tl.arange(0, tile_channels), x_last)
        there = (lane < channels) & live
        channel = across(group * channels, x_last) + lane
        source = channel * plane
        received = read(gradient_ptr, target + channel * plane_out, there)
        if need_offset or need_scope:
            x00 = read(x_ptr, p00 + source, there)
            x01 = read(x_ptr, p01 + source, there)
            x10 = read(x_ptr, p10 + source, there)
            x11 = read(x_ptr, p11 + source, there)
            slope = (1 - wy) * (x01 - x00) + wy * (x11 - x10)
            sum_x += tl.sum(received * slope, 1 if x_last else 0)
            slope = (1 - wx) * (x10 - x00) + wx * (x11 - x01)
            sum_y += tl.sum(received * slope, 1 if x_last else 0)
        if need_x:
            _scatter(of_x_ptr, p00 + source, received * ((1 - wy) * (1 - wx)), unit_ptr, there)
            _scatter(of_x_ptr, p01 + source, received * ((1 - wy) * wx), unit_ptr, there)
            _scatter(of_x_ptr, p10 + source, received * (wy * (1 - wx)), unit_ptr, there)
            _scatter(of_x_ptr, p11 + source, received * (wy * wx), unit_ptr, there)
    index, step = _offset_index(y, x, group, height, width, groups, scale, lp, False)
    of_offset_ptr += skip
    of_scope_ptr += skip
    sum_x = tl.where(free_x, sum_x, 0)
    sum_y = tl.where(free_y, sum_y, 0)
    _write_gradients(
        of_offset_ptr, of_scope_ptr, index, sum_x, offset_x, gate_x, live_rows,
        need_offset, need_scope
    )  # fmt: skip
    _write_gradients(
        of_offset_ptr, of_scope_ptr, index + step, sum_y, offset_y, gate_y, live_rows,
        need_offset, need_scope
    )  # fmt: skip
