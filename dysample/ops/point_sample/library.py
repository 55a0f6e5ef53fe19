"""Point sampling as torch operators: `dysample::point_sample` and `dysample::offset_sample`.

Whatever implementation runs, a trace, a dispatch mode or a compiler sees one operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._library import (
    LIBRARY,
    Context,
    no_second_derivative,
    register,
    register_batches,
    save_nothing,
)
from dysample.ops._triton import takes_triton
from dysample.ops.point_sample import composed, fused, gather, points
from dysample.ops.point_sample.dispatch import Reading, choose

if TYPE_CHECKING:
    from torch import Tensor

LIBRARY.define(
    "point_sample(Tensor x, Tensor positions, Tensor? weights, str padding, "
    "str implementation) -> Tensor"
)
LIBRARY.define(
    "point_sample_backward(Tensor gradient, Tensor x, Tensor positions, Tensor? weights, "
    "str padding, bool[] needed, str implementation) -> (Tensor, Tensor, Tensor)"
)
LIBRARY.define(
    "offset_sample(Tensor x, Tensor offset, Tensor? scope, int scale, int groups, str style, "
    "str implementation) -> Tensor"
)
LIBRARY.define(
    "offset_sample_backward(Tensor gradient, Tensor x, Tensor offset, Tensor? scope, int scale, "
    "int groups, str style, bool[] needed, str implementation) -> (Tensor, Tensor, Tensor)"
)


def _point_sample(
    x: Tensor, positions: Tensor, weights: Tensor | None, padding: str, implementation: str
) -> Tensor:
    if takes_triton(implementation, "point_sample", x, positions, weights):
        return points.point_sample_fused(x, positions, weights, padding)
    reading = _reading(positions, padding, backward=False)
    if choose(implementation, "point_sample", x, reading) == "gather":
        return gather.point_sample(x, positions, weights, padding)
    return composed.point_sample(x, positions, weights, padding)


def _point_sample_fake(x: Tensor, positions: Tensor, *_: object) -> Tensor:
    return _empty(x, positions.shape[-2], positions.shape[-1])


def _point_sample_backward(
    gradient: Tensor,
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None,
    padding: str,
    needed: list[bool],
    implementation: str,
) -> tuple[Tensor, Tensor, Tensor]:
    if takes_triton(implementation, "point_sample", x, positions, weights):
        return _three(
            x,
            points.point_sample_backward_fused(gradient, x, positions, weights, padding, needed),
        )
    name = choose(implementation, "point_sample", x, _reading(positions, padding, backward=True))
    backward = (gather if name == "gather" else composed).point_sample_backward
    return _three(x, backward(gradient, x, positions, weights, padding, needed))


def _point_sample_backward_fake(
    _gradient: Tensor,
    x: Tensor,
    positions: Tensor,
    weights: Tensor | None,
    _padding: str,
    needed: list[bool],
    _implementation: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return _gradients_fake((x, positions, weights), needed)


def _offset_sample(
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None,
    scale: int,
    groups: int,
    style: str,
    implementation: str,
) -> Tensor:
    if takes_triton(implementation, "offset_sample", x, offset, scope):
        return fused.offset_sample_fused(x, offset, scope, scale, groups, style)
    reading = Reading(groups, offset.numel() // (2 * groups))
    if choose(implementation, "offset_sample", x, reading) == "gather":
        return gather.offset_sample(x, offset, scope, scale, groups, style)
    return composed.offset_sample(x, offset, scope, scale, groups, style)


def _offset_sample_fake(
    x: Tensor, _offset: Tensor, _scope: Tensor | None, scale: int, *_: object
) -> Tensor:
    return _empty(x, x.shape[2] * scale, x.shape[3] * scale)


def _offset_sample_backward(
    gradient: Tensor,
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None,
    scale: int,
    groups: int,
    style: str,
    needed: list[bool],
    implementation: str,
) -> tuple[Tensor, Tensor, Tensor]:
    if takes_triton(implementation, "offset_sample", x, offset, scope):
        return _three(
            x,
            fused.offset_sample_backward_fused(
                gradient, x, offset, scope, scale, groups, style, needed
            ),
        )
    reading = Reading(groups, offset.numel() // (2 * groups), backward=True)
    name = choose(implementation, "offset_sample", x, reading)
    backward = (gather if name == "gather" else composed).offset_sample_backward
    return _three(x, backward(gradient, x, offset, scope, scale, groups, style, needed))


def _offset_sample_backward_fake(
    _gradient: Tensor,
    x: Tensor,
    offset: Tensor,
    scope: Tensor | None,
    _scale: int,
    _groups: int,
    _style: str,
    needed: list[bool],
    _implementation: str,
) -> tuple[Tensor, Tensor, Tensor]:
    return _gradients_fake((x, offset, scope), needed)


def _reading(positions: Tensor, padding: str, *, backward: bool) -> Reading:
    n, _, groups = positions.shape[:3]
    points = 1 if positions.dim() == 5 else positions.shape[3]
    pixels = n * positions.shape[-2] * positions.shape[-1]
    return Reading(groups, pixels, points, padding, backward)


def _empty(x: Tensor, height: int, width: int) -> Tensor:
    shape = (x.shape[0], x.shape[1], height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format(x))


def _three(
    x: Tensor, found: tuple[Tensor | None, Tensor | None, Tensor | None]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return gradients in the form an operator can: an empty tensor stands for none."""
    first, second, third = found
    return (
        x.new_empty(0) if first is None else first,
        x.new_empty(0) if second is None else second.contiguous(),
        x.new_empty(0) if third is None else third.contiguous(),
    )


def _gradients_fake(
    inputs: tuple[Tensor, Tensor, Tensor | None], needed: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    x, second, third = inputs
    of_x = _empty(x, x.shape[2], x.shape[3]) if needed[0] else x.new_empty(0)
    of_second = second.new_empty(second.shape) if needed[1] else x.new_empty(0)
    if third is None or not needed[2]:
        return of_x, of_second, x.new_empty(0)
    return of_x, of_second, third.new_empty(third.shape)


def _save(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs[:3])
    ctx.settings = inputs[3:]


def _point_sample_autograd(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
    padding, implementation = ctx.settings
    needed = list(ctx.needs_input_grad[:3])
    found = torch.ops.dysample.point_sample_backward.default(
        gradient, *ctx.saved_tensors, padding, needed, implementation
    )
    return (*_wanted(found, needed), None, None)


def _offset_sample_autograd(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
    scale, groups, style, implementation = ctx.settings
    needed = list(ctx.needs_input_grad[:3])
    found = torch.ops.dysample.offset_sample_backward.default(
        gradient, *ctx.saved_tensors, scale, groups, style, needed, implementation
    )
    return (*_wanted(found, needed), None, None, None, None)


def _wanted(found: tuple[Tensor, ...], needed: list[bool]) -> list[Tensor | None]:
    return [item if need else None for item, need in zip(found, needed, strict=True)]


register("point_sample", _point_sample, _point_sample_fake, _save, _point_sample_autograd)
register("offset_sample", _offset_sample, _offset_sample_fake, _save, _offset_sample_autograd)
register_batches("point_sample")
register_batches("offset_sample")
register(
    "point_sample_backward",
    _point_sample_backward,
    _point_sample_backward_fake,
    save_nothing,
    no_second_derivative,
)
register(
    "offset_sample_backward",
    _offset_sample_backward,
    _offset_sample_backward_fake,
    save_nothing,
    no_second_derivative,
)
