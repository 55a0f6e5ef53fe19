"""How many values an upsampler learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class ParameterCount(NamedTuple):
    """Learnable values: all of them, and those in tensors of two or more dimensions.

    The papers print the second figure: biases and affine norms are left out of it.
    """

    total: int
    weights: int


def count(module: nn.Module) -> ParameterCount:
    """Count the learnable values of `module`; buffers and frozen parameters are not learnt."""
    learnable = [p for p in module.parameters() if p.requires_grad]
    return ParameterCount(
        total=sum(p.numel() for p in learnable),
        weights=sum(p.numel() for p in learnable if p.dim() >= 2),
    )
