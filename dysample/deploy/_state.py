"""A model as it is in `eval()`, for the length of one forward pass."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def in_eval(model: nn.Module) -> Iterator[None]:
    """Switch `model` to `eval()` within, and every module of it back to its own mode after."""
    was_training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in was_training:
            part.training = True
