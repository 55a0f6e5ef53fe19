"""Where the tests of the Triton kernels run: a CUDA device, or Triton's interpreter on the CPU.

Triton reads TRITON_INTERPRET once, when a kernel is defined; so one process has either compiled
or interpreted kernels. `tests/dysample/ops/test_interpreter.py` runs the tests of this marker in
a process of their own.
"""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch

INSTALLED = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED or not torch.cuda.is_available() else "cuda")

on_triton = pytest.mark.skipif(
    not INSTALLED or (DEVICE.type == "cpu" and not INTERPRETED),
    reason="needs triton and a CUDA device, or TRITON_INTERPRET=1 (test_interpreter.py sets it)",
)
on_cuda = pytest.mark.skipif(
    not INSTALLED or DEVICE.type != "cuda", reason="needs triton and a CUDA device"
)

# A result in half precision is computed in float32 and rounded once: half a unit in the last
# place, of which there are 2^-11 and 2^-8, with as much again for what the sums lost before. A
# float32 result is a sum of a few hundred products.
PRECISION = {torch.float32: 2e-6, torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}


def assert_rounded(
    actual: torch.Tensor, exact: torch.Tensor, dtype: torch.dtype, what: str
) -> None:
    """Fail unless `actual` is `exact` (float64) but for the rounding of `dtype`."""
    assert actual.dtype is dtype, what
    assert actual.shape == exact.shape, what
    tolerance = PRECISION[dtype] * (1 + exact.abs().max().item())
    torch.testing.assert_close(
        actual.double().cpu(),
        exact,
        rtol=0,
        atol=tolerance,
        msg=lambda text: f"{what}: {text}",
        check_stride=False,
    )
