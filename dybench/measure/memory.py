"""Peak memory of one call above what was live before it.

On CUDA the caching allocator keeps the figure. On the CPU torch's profiler records every
allocation and release of torch's CPU allocator, inside operators too, and the highest running
sum is the peak; the process's resident size would mostly measure the allocator's habits. For a
machine without CUDA the peak there is predicted from shapes alone, on meta tensors.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from dybench.result import MemoryKind

CUDA_BLOCK = 512  # bytes; the caching allocator rounds each block up to a multiple of it


class PeakMemory(NamedTuple):
    """Bytes at the highest point of a call.

    Attributes:
        peak: above what was live before the call; includes the result.
        total: with what was live before it (CUDA only). reserved: held from the driver (CUDA only).
        kind: who counted.
    """

    peak: int
    kind: MemoryKind
    total: int | None = None
    reserved: int | None = None


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory."""
    refused = "can't allocate memory" in str(error) or "not enough memory" in str(error)
    return refused or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def measure(call: Callable[[], object], device: torch.device) -> PeakMemory:
    """Peak memory of `call()` on `device`, after one call to settle workspaces and caches."""
    call()
    if device.type == "cuda":
        return _cuda_peak(call, device)
    return PeakMemory(_cpu_peak(call), "cpu allocator")


def _cuda_peak(call: Callable[[], object], device: torch.device) -> PeakMemory:
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    result = call()
    torch.cuda.synchronize(device)
    total = torch.cuda.max_memory_allocated(device)
    reserved = torch.cuda.max_memory_reserved(device)
    del result
    return PeakMemory(total - before, "cuda allocator", total, reserved)


def _cpu_peak(call: Callable[[], object]) -> int:
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or its profiler chats on stderr
    gc.collect()
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        result = call()
    del result
    events = [e for e in profile.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def predict_cuda(call: Callable[[], object]) -> int:
    """Peak that `call()`, working on meta tensors, would have on CUDA, in bytes.

    Follows the storages that operators make and drop, each rounded up to the caching allocator's
    block. Library workspaces (cuDNN, cuBLAS) and temporaries inside operators are not in it.
    """
    with _LiveStorage() as tracker:
        result = call()
    del result
    return int(tracker.peak)


class _LiveStorage(TorchDispatchMode):
    """Adds up the storages alive among what operators have returned."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes: WeakKeyDictionary[torch.UntypedStorage, int] = WeakKeyDictionary()
        self._inputs: WeakKeyDictionary[torch.UntypedStorage, None] = WeakKeyDictionary()
        self.peak: int = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - the signature is torch's
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage not in self._sizes:
                    self._inputs[storage] = None  # was there before the call
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        self.peak = max(self.peak, sum(self._sizes.values()))
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage not in self._inputs:
            self._sizes[storage] = -(-storage.nbytes() // CUDA_BLOCK) * CUDA_BLOCK
