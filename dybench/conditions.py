"""How to measure, whatever is measured."""

from __future__ import annotations

from typing import Literal

import msgspec

from dybench.case import TRAINED_OFFSET_STD
from dybench.measure.latency import Pace


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to measure; kept in the report.

    Attributes:
        reference: the upsampler that latencies are given relative to, run eagerly; it is timed in
            every contest, and has a row only where it was asked for.
        memory_allocator: `keep` freed memory for the run, or leave the `system` its way.
        offset_std: spread of DySample's offsets, in low-resolution pixels.
        threads: torch's threads within an operator; None leaves torch's choice.
        timed: whether latency is measured at all.
    """

    pace: Pace = Pace()
    reference: str = "bilinear"
    seed: int = 0
    memory_allocator: Literal["keep", "system"] = "keep"
    offset_std: float = TRAINED_OFFSET_STD
    threads: int | None = None
    flush_l2: bool = False
    timed: bool = True
