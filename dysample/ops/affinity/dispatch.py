"""Which implementation of the affinity runs, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dysample.ops._triton import takes_triton
from dysample.ops.affinity.fused import affinity_fused
from dysample.ops.affinity.gather import affinity_gather, can_run_gather
from dysample.ops.affinity.taps import affinity_taps

if TYPE_CHECKING:
    from torch import Tensor


def run_affinity(query: Tensor, key: Tensor, side: int, groups: int, implementation: str) -> Tensor:
    """Return the logits by the best implementation that can run and is allowed."""
    scale = query.shape[2] // key.shape[2]
    if takes_triton(implementation, "affinity", query, key):
        return affinity_fused(query, key, side, groups, scale)
    if implementation != "torch" and can_run_gather(key) is None:
        return affinity_gather(query, key, side, groups, scale)
    return affinity_taps(query, key, side, groups, scale)
