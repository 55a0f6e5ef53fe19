"""Keeping freed memory for the run, so that the kernel's zeroing of pages is not measured."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory in the process; False where there is no glibc.

    By default glibc maps each block above 32 MiB afresh and unmaps it when freed, and the kernel
    zeroes its pages again at every call: a third of what a DySample call seemed to take.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
