"""What machine this is, and whether it is fit to measure on."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from dybench import __version__

PACKAGES = ("torch", "triton", "fvcore", "numpy", "onnxruntime", "nvidia-ml-py")


def describe() -> dict[str, Any]:
    """The machine as a report keeps it: hardware, threads, versions and a fingerprint.

    Absolute times are comparable only between reports of the same fingerprint: same processor,
    accelerator, thread count and torch.
    """
    facts: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "logical_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "dybench": __version__,
        "packages": {name: version for name in PACKAGES if (version := installed(name))},
        "gpus": gpus(),
    }
    key = [facts["cpu"], facts["logical_cores"], facts["threads"], torch.__version__, facts["gpus"]]
    facts["fingerprint"] = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    return facts


def installed(package: str) -> str | None:
    """The installed version of `package`; None without it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def gpus() -> list[dict[str, Any]]:
    """The CUDA devices: name, memory, compute capability, and the CUDA that torch is built for."""
    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append(
            {
                "name": properties.name,
                "memory_bytes": properties.total_memory,
                "capability": f"{properties.major}.{properties.minor}",
                "cuda": torch.version.cuda,
            }
        )
    return found


def cpu_name() -> str:
    """The processor's name as its maker gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def available_bytes(device: torch.device) -> int:
    """Memory that a run on `device` could still take."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + kept
    return int(psutil.virtual_memory().available)


def load_per_core() -> float | None:
    """Programs wanting a core over the last minute, per core; None where no one counts."""
    try:
        return os.getloadavg()[0] / max(1, len(os.sched_getaffinity(0)))
    except (OSError, AttributeError):
        return None


BUSY = 0.4  # of all cores
_LOOK_S = 0.2


def busy_note(threads: int | None = None) -> str | None:
    """A warning where other programs use the cores that a run of `threads` is to measure on.

    Looks for a fifth of a second, in which this process does nothing.
    """
    used = psutil.cpu_percent(_LOOK_S) / 100
    if used < BUSY:
        return None
    found = f"other programs use {used:.0%} of this machine"
    if threads == 1:
        return f"{found}: ratios suffer too; close them"
    return (
        f"{found}: operators of several threads wait for the slowest, and ratios suffer too; "
        "close them, or use --threads 1"
    )
