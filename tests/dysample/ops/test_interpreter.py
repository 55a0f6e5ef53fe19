"""Run the tests of the Triton kernels in Triton's interpreter, on a machine without CUDA too.

The interpreter is chosen by an environment variable when a kernel is defined, so a process of
its own keeps the rest of the tests from it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triton_device import INSTALLED, INTERPRETED

ROOT = Path(__file__).parents[3]
FUSED = "tests/dysample/ops/fused"


@pytest.mark.skipif(not INSTALLED, reason="needs triton")
@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_the_kernels_agree_with_the_definitions_in_the_interpreter():
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", FUSED],
        cwd=ROOT,
        # One thread: the tensors are tiny, and more only wait for each other.
        env=os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-2000:]
    # Not one of them may have been skipped.
    lines = re.findall(r"^(\d+) passed in ", found.stdout, re.MULTILINE)
    assert lines, found.stdout[-500:]
    assert int(lines[0]) > 50
