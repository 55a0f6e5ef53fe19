"""Timing a block of calls: a monotonic clock on the CPU, events on CUDA."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Call = Callable[[], object]


class Timer(Protocol):
    """Times blocks of calls; the engine knows no other clock, so a test can hand it a fake."""

    overhead_s: float

    def time(self, call: Call, calls: int) -> float:
        """Seconds that `calls` calls in a row take together."""


class CpuTimer:
    """Times with the monotonic performance counter; `overhead_s` is what reading it costs."""

    def __init__(self) -> None:
        self.overhead_s = min(_reading_s() for _ in range(200))

    def time(self, call: Call, calls: int) -> float:
        """Seconds that `calls` calls in a row take together."""
        start = time.perf_counter_ns()
        for _ in range(calls):
            call()
        return (time.perf_counter_ns() - start) * 1e-9


class CudaTimer:
    """Times with CUDA events on the current stream, after synchronising.

    Args:
        device: the CUDA device the calls run on.
        flush_l2: overwrite a buffer larger than the L2 cache before each call, outside the
            timed span, so that no call finds its input in the cache.
    """

    overhead_s = 5e-6  # events resolve about half a microsecond

    def __init__(self, device: torch.device, *, flush_l2: bool = False) -> None:
        import torch as _torch

        self._torch = _torch
        self._device = device
        self._scratch: torch.Tensor | None = None
        if flush_l2:
            cache = _torch.cuda.get_device_properties(device).L2_cache_size
            self._scratch = _torch.empty(max(4 * cache, 1 << 26), dtype=_torch.int8, device=device)

    def time(self, call: Call, calls: int) -> float:
        """Seconds that `calls` calls in a row take together."""
        cuda = self._torch.cuda
        cuda.synchronize(self._device)
        with cuda.device(self._device):  # events are recorded on the current device's stream
            if self._scratch is None:
                spans = [self._span(call, calls)]
            else:
                spans = []
                for _ in range(calls):
                    self._scratch.zero_()
                    spans.append(self._span(call, 1))
        cuda.synchronize(self._device)
        return float(sum(start.elapsed_time(end) for start, end in spans) * 1e-3)

    def _span(self, call: Call, calls: int) -> tuple[torch.cuda.Event, torch.cuda.Event]:
        start = self._torch.cuda.Event(enable_timing=True)
        end = self._torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            call()
        end.record()
        return start, end


def _reading_s() -> float:
    start = time.perf_counter_ns()
    return (time.perf_counter_ns() - start) * 1e-9


def for_device(device: torch.device, *, flush_l2: bool = False) -> Timer:
    """The timer that suits `device`."""
    return CudaTimer(device, flush_l2=flush_l2) if device.type == "cuda" else CpuTimer()
