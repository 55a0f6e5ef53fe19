"""A GPU's clock and what holds it back, read through NVML (nvidia-ml-py, the extra `nvml`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# NVML's clock event reasons that make a GPU slower than it was asked to be. Idleness and clocks
# set by the user are reasons too, but no throttling.
THROTTLING = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}


class Reading(NamedTuple):
    """The clock of the multiprocessors at one moment, and why it was held back, if it was."""

    clock_mhz: int
    throttling: tuple[str, ...] = ()


class Clocks:
    """Reads one GPU's clocks.

    Args:
        device: a CUDA device.

    Raises:
        RuntimeError: if they cannot be read; the message says why.
    """

    def __init__(self, device: torch.device) -> None:
        self._nvml = _nvml()
        # CUDA numbers devices its own way, so the two agree on nothing but the identity.
        uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
        if uuid is None:
            raise RuntimeError("this torch does not tell which GPU it is on")
        try:
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            self.read()
        except self._nvml.NVMLError as error:
            raise RuntimeError(f"NVML: {error}") from error

    def read(self) -> Reading:
        """The clock now.

        Raises:
            pynvml.NVMLError: if the driver does not answer.
        """
        nvml = self._nvml
        clock_mhz = nvml.nvmlDeviceGetClockInfo(self._handle, nvml.NVML_CLOCK_SM)
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle)
        held_back = tuple(name for bit, name in THROTTLING.items() if reasons & bit)
        return Reading(int(clock_mhz), held_back)

    def sense(self) -> Reading | None:
        """The clock now; None if the driver does not answer."""
        try:
            return self.read()
        except self._nvml.NVMLError:
            return None


def for_device(device: torch.device) -> tuple[Callable[[], Reading | None] | None, str]:
    """What reads the clocks of `device`, and how; None, and why not, where they cannot be read."""
    if device.type != "cuda":
        return None, "not read: no GPU"
    try:
        return Clocks(device).sense, "read after every block (NVML)"
    except RuntimeError as error:
        return None, f"not read: {error}"


def throttling_note(readings: Sequence[Reading]) -> str | None:
    """A note for a row some of whose samples were taken while the GPU was held back."""
    held_back = [reading for reading in readings if reading.throttling]
    if not held_back:
        return None
    reasons = sorted({reason for reading in held_back for reason in reading.throttling})
    return (
        f"{len(held_back)} of {len(readings)} samples were taken while the GPU was throttled "
        f"({', '.join(reasons)}): cool it, or lock its clocks (nvidia-smi --lock-gpu-clocks)"
    )


def _nvml() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        raise RuntimeError("it needs nvidia-ml-py: pip install 'dybench[nvml]'") from error
