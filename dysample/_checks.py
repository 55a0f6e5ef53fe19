"""Checks of what users pass in: one line each, naming the argument, its value and the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor


def check_positive(name: str, value: int) -> None:
    """Raise unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`{name}` (={value!r}) must be an integer, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"`{name}` (={value}) must be at least 1")


def check_divisible(name: str, value: int, by_name: str, by: int) -> None:
    """Raise unless `by` divides `value`."""
    if value % by:
        raise ValueError(f"`{name}` (={value}) must be divisible by `{by_name}` (={by})")


def check_odd(name: str, value: int) -> None:
    """Raise unless `value` is a positive odd integer."""
    check_positive(name, value)
    if value % 2 == 0:
        raise ValueError(f"`{name}` (={value}) must be odd")


def check_one_of(name: str, value: object, allowed: Collection[object]) -> None:
    """Raise unless `value` is one of `allowed`."""
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"`{name}` (={value!r}) must be one of {choices}")


def check_scale(scale: int, allowed: Collection[int] | None = None) -> None:
    """Raise unless `scale` is a positive integer, and one of `allowed` if that is given."""
    check_positive("scale", scale)
    if allowed is not None:
        check_one_of("scale", scale, allowed)


def check_map(name: str, value: Tensor, channels: int | None = None) -> None:
    """Raise unless `value` is `(N, C, H, W)`, of `channels` channels where that is given."""
    if value is None:
        raise TypeError(f"`{name}` must be a tensor (N, C, H, W), not None")
    if value.dim() != 4:
        shape = tuple(value.shape)
        raise ValueError(f"`{name}` (shape {shape}) must have 4 dimensions, (N, C, H, W)")
    if channels is not None and value.shape[1] != channels:
        shape = tuple(value.shape)
        raise ValueError(f"`{name}` (shape {shape}) must have {channels} channels")


def check_guide(guide: Tensor, x: Tensor, scale: int, channels: int) -> None:
    """Raise unless `guide` is `(N, channels, sH, sW)` for `x` of `(N, C, H, W)`, both of floats."""
    check_map("guide", guide, channels)
    for name, value in (("x", x), ("guide", guide)):
        if not value.is_floating_point():
            raise TypeError(f"`{name}` must be of floating-point numbers, not {value.dtype}")
    n, _, h, w = x.shape
    expected = (n, channels, h * scale, w * scale)
    if tuple(guide.shape) != expected:
        raise ValueError(
            f"`guide` (shape {tuple(guide.shape)}) must have shape {expected}: "
            f"`scale` (={scale}) times the size of `x` (shape {tuple(x.shape)})"
        )
