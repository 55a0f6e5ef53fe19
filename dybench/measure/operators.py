"""Which operators a call runs, and how often: a figure that does not jitter.

Counted where they are called, so a result that nobody uses still counts; a traced graph would
have dropped it. What a library operator does inside differs between processors and is left out;
what our own operators call is not.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = "aten::"
ENGINE = ("autograd::", "torch::autograd::")  # wrap the operators of a backward
# Another look at the same memory costs nothing; where one of these does copy, the copy counts.
_VIEWS = """
    alias as_strided chunk contiguous detach expand expand_as flatten lift_fresh movedim narrow
    permute reshape reshape_as select slice split squeeze swapaxes t tensor_split to transpose
    unbind unflatten unfold unsqueeze view view_as _reshape_alias _unsafe_view
"""
VIEWS = frozenset(f"aten::{name}" for name in _VIEWS.split())


def count(call: Callable[[], object]) -> dict[str, int]:
    """How often each operator runs in `call()`, by its name in torch, such as `aten::mul`."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or torch's profiler chats on stderr
    with torch.autograd.profiler.profile() as profile:
        result = call()
    del result
    seen: Counter[str] = Counter()
    for event in profile.function_events or ():
        if event.cpu_parent is None:
            _add(event, seen)
    return dict(sorted(seen.items()))


def _add(event: Any, seen: Counter[str]) -> None:  # noqa: ANN401 - torch's FunctionEvent is untyped
    name: str = event.name
    wraps = name in VIEWS or name.startswith(ENGINE) or "::" not in name
    if not wraps:
        seen[name] += 1
    if wraps or not name.startswith(LIBRARY):
        for child in event.cpu_children:
            _add(child, seen)
