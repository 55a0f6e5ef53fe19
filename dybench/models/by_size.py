"""FLOPs as a function of the map's size, found by counting small maps.

A traced forward has to run for real, and a stage of a detector is large. But almost every
upsampler takes the same FLOPs at every pixel, and perhaps some more an image; where four small
maps of different shape agree with that exactly, so does the large one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import torch

from dybench.measure import flops
from dybench.subject import build, make_inputs

if TYPE_CHECKING:
    from torch import nn

    from dybench.case import Case
    from dybench.sources import Source

CPU = torch.device("cpu")

# Two sizes fix the two unknowns; the others, high and wide, would show a cost of the border.
FITTED = ((8, 8), (12, 16))
CHECKED = ((8, 20), (22, 10))


class FlopsBySize(NamedTuple):
    """FLOPs of one image: `per_image + per_pixel · H · W` of the low-resolution map."""

    per_image: int
    per_pixel: int
    unsupported: dict[str, int]

    def at(self, pixels: int) -> int:
        """FLOPs for a map of so many low-resolution pixels."""
        return self.per_image + self.per_pixel * pixels


def count_at(case: Case, source: Source) -> flops.FlopCount:
    """Count one forward of the case's upsampler, on the CPU, at the case's own size."""
    case = msgspec.structs.replace(case, device="cpu")
    return _count(build(case, source, device=CPU, seed=0), case, source)


def count_small(case: Case, source: Source) -> FlopsBySize | None:
    """Find FLOPs by size; None if they are not of that form, or small maps do not suit it."""
    case = msgspec.structs.replace(case, device="cpu")
    try:
        module = build(case, source, device=CPU, seed=0)
        counts = [
            (height * width, _count(module, _resized(case, height, width), source))
            for height, width in FITTED + CHECKED
        ]
    except Exception:  # noqa: BLE001 - whatever it raises on a small map, the real size will tell
        return None
    (small, at_small), (large, at_large) = counts[: len(FITTED)]
    per_pixel, rest = divmod(at_large.total - at_small.total, large - small)
    found = FlopsBySize(at_small.total - per_pixel * small, per_pixel, at_small.unsupported)
    exact = rest == 0 and all(
        found.at(pixels) == counted.total and found.unsupported == counted.unsupported
        for pixels, counted in counts
    )
    return found if exact else None


def _count(module: nn.Module, case: Case, source: Source) -> flops.FlopCount:
    return flops.count(module, make_inputs(case, guided=source.guided, device=CPU, seed=0))


def _resized(case: Case, height: int, width: int) -> Case:
    return msgspec.structs.replace(case, height=height, width=width)
