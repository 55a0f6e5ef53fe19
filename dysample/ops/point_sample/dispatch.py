"""Which implementation of point sampling runs, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysample._checks import check_one_of

if TYPE_CHECKING:
    from torch import Tensor

IMPLEMENTATIONS = ("auto", "naive", "torch")


def choose(implementation: str, operator: str, x: Tensor) -> str:
    """Return the implementation to run on `x`: the one asked for, or the best that can."""
    if implementation != "auto":
        check_one_of("implementation", implementation, IMPLEMENTATIONS)
        return implementation
    return "torch"
