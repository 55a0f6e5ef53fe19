"""Point sampling: each output pixel and channel group reads the map at a position of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from dysample._checks import check_divisible, check_map, check_one_of, check_positive
from dysample.ops._implementation import chosen, inline
from dysample.ops.point_sample import forms, library, naive
from dysample.ops.point_sample.positions import offset_positions, subpixel_start

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["library", "offset_sample", "point_sample", "subpixel_start"]


def point_sample(
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None = None,
    *,
    padding: str = "border",
    implementation: str | None = None,
) -> Tensor:
    """Read the map `x` bilinearly at `positions`, each channel group at its own.

    Args:
        x: `(N, C, H, W)`.
        positions: `(N, 2, G, Ho, Wo)`, in pixels of `x`: `[:, 0]` is x (0 is the centre of the
            first column), `[:, 1]` is y. Group q reads the q-th C/G channels. With `weights`,
            `(N, 2, G, P, Ho, Wo)`: P points for each output pixel.
        weights: `(N, G, P, Ho, Wo)`, with which the P points are summed.
        padding: outside the map, "border" clamps positions (and clamped coordinates get no
            gradient) and "zeros" reads zeros.
        implementation: "auto", "naive", "torch", "gather" on a CPU or "triton" on CUDA; None
            leaves it to `dysample.ops.implementation`, and else to what is fastest.

    Returns:
        `(N, C, Ho, Wo)` in the dtype, device and memory format of `x`.

    Raises:
        ValueError: shapes that do not fit, or an implementation that cannot run here.
    """
    _check_positions(x, positions, weights)
    check_one_of("padding", padding, ("border", "zeros"))
    name = chosen(implementation)
    if name == "naive":
        return naive.point_sample(x, positions, weights, padding)
    if inline() or forms.asked():
        return forms.point_sample(x, positions, weights, padding)
    operator = torch.ops.dysample.point_sample.default
    return cast("Tensor", operator(x, positions, weights, padding, name))


def offset_sample(
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None = None,
    *,
    scale: int,
    groups: int,
    style: str,
    implementation: str | None = None,
) -> Tensor:
    """Upsample `x` by reading it at DySample's predicted offsets.

    Output pixel (si + a, sj + b) of a group reads the position (j + (b + ½)/s − ½ + f·ox,
    i + (a + ½)/s − ½ + f·oy), clamped to the map, where f is 0.25, or 0.5·sigmoid(`scope`). Liu
    et al., Learning to Upsample by Learning to Sample, ICCV 2023, equations 2 to 5.

    Args:
        x: `(N, C, H, W)`.
        offset: ox then oy, in pixels of `x`: `(N, 2gs², H, W)` for style "lp", with channel
            ((t·g + q)·s + a)·s + b, or `(N, 2g, sH, sW)` for style "pl".
        scope: like `offset`; before the sigmoid.
        scale: s.
        groups: g; group q reads the q-th C/g channels.
        style: "lp" or "pl".
        implementation: as for `point_sample`.

    Returns:
        `(N, C, sH, sW)` in the dtype, device and memory format of `x`.

    Raises:
        TypeError, ValueError: shapes that do not fit, a scale or groups that are no positive
            integers, or an implementation that cannot run here.
    """
    _check_offset(x, offset, scope, scale, groups, style)
    name = chosen(implementation)
    if name == "naive":
        return naive.offset_sample(x, offset, scope, scale, groups, style)
    if inline() or forms.asked():
        positions = offset_positions(x, offset, scope, scale, groups, style)
        return forms.point_sample(x, positions, None, "border")
    operator = torch.ops.dysample.offset_sample.default
    return cast("Tensor", operator(x, offset, scope, scale, groups, style, name))


def _check_positions(x: Tensor, positions: Tensor, weights: Tensor | None) -> None:
    check_map("x", x)
    dims = 5 if weights is None else 6
    if positions.dim() != dims or positions.shape[0] != x.shape[0] or positions.shape[1] != 2:
        form = "(N, 2, G, Ho, Wo)" if weights is None else "(N, 2, G, P, Ho, Wo)"
        raise ValueError(
            f"`positions` (shape {tuple(positions.shape)}) must have shape {form} "
            f"for `x` (shape {tuple(x.shape)})"
        )
    groups = positions.shape[2]
    if groups == 0:
        raise ValueError(f"`positions` (shape {tuple(positions.shape)}) must have a group")
    check_divisible("x.shape[1]", x.shape[1], "groups", groups)
    if weights is not None and weights.shape != positions[:, 0].shape:
        raise ValueError(
            f"`weights` (shape {tuple(weights.shape)}) must have shape "
            f"{tuple(positions[:, 0].shape)}, (N, G, P, Ho, Wo)"
        )


def _check_offset(
    x: Tensor, offset: Tensor, scope: Tensor | None, scale: int, groups: int, style: str
) -> None:
    check_map("x", x)
    check_one_of("style", style, ("lp", "pl"))
    check_positive("scale", scale)
    check_positive("groups", groups)
    n, channels, height, width = x.shape
    check_divisible("x.shape[1]", channels, "groups", groups)
    if style == "lp":
        expected = (n, 2 * groups * scale**2, height, width)
    else:
        expected = (n, 2 * groups, height * scale, width * scale)
    if offset.shape != expected:
        raise ValueError(f"`offset` (shape {tuple(offset.shape)}) must have shape {expected}")
    if scope is not None and scope.shape != expected:
        raise ValueError(f"`scope` (shape {tuple(scope.shape)}) must have shape {expected}")
