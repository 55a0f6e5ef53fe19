"""When the Triton kernels run, what is said when they cannot, and in which tiles they would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dysample.ops import _triton, affinity, offset_sample, point_sample, reassemble
from dysample.ops._triton import can_run_triton, channels_a_program, map_tile, window_tile
from tests.triton_device import INTERPRETED

pytestmark = pytest.mark.skipif(INTERPRETED, reason="about a process that does not interpret")

ROOT = Path(__file__).parents[3]


def sample(x: torch.Tensor, name: str | None) -> torch.Tensor:
    offset = torch.zeros(1, 8, 3, 3, dtype=x.dtype)
    return offset_sample(x, offset, scale=2, groups=1, style="lp", implementation=name)


def test_nobody_gets_them_on_the_cpu_unasked():
    assert not _triton.takes_triton("auto", "offset_sample", torch.zeros(1, 2, 3, 3))
    assert sample(torch.zeros(1, 2, 3, 3), None).shape == (1, 2, 6, 6)


@pytest.mark.skipif(not _triton._installed(), reason="needs triton")
@pytest.mark.parametrize(
    ("dtype", "reason"),
    [
        (torch.float32, "it needs a CUDA device, and the tensors are on cpu"),
        (torch.float64, "it has no kernel for torch.float64"),
    ],
)
def test_says_why_they_cannot_run(dtype, reason):
    message = f"^`implementation` \\(='triton'\\) cannot run offset_sample here: {reason}$"
    with pytest.raises(ValueError, match=message):
        sample(torch.zeros(1, 2, 3, 3, dtype=dtype), "triton")


def test_each_operator_names_itself():
    x, kernels = torch.zeros(1, 2, 3, 3), torch.zeros(1, 9, 6, 6)
    with pytest.raises(ValueError, match="cannot run reassemble here"):
        reassemble(x, kernels, implementation="triton")
    with pytest.raises(ValueError, match="cannot run affinity here"):
        affinity(torch.zeros(1, 2, 6, 6), x, kernel_size=3, implementation="triton")
    with pytest.raises(ValueError, match="cannot run point_sample here"):
        point_sample(x, torch.zeros(1, 2, 1, 6, 6), implementation="triton")


def test_names_the_extra_to_install(monkeypatch):
    monkeypatch.setattr(_triton, "_installed", lambda: False)
    reason = "it needs triton, which is not installed: pip install 'dybench[triton]'"
    assert can_run_triton(torch.zeros(1)) == reason
    assert sample(torch.zeros(1, 2, 3, 3), None).shape == (1, 2, 6, 6)


def test_other_reasons():
    x = torch.zeros(1, 2, 3, 3)
    assert can_run_triton(x[:0]) == "a tensor is empty"
    assert can_run_triton(x, x.to("meta")) == "the tensors are on cpu and meta"
    assert can_run_triton(x, None, x.double()) == "it has no kernel for torch.float64"


@pytest.mark.parametrize(("statement", "expected"), [("", "False"), ("import triton", "True")])
def test_sampling_imports_no_triton(statement, expected):
    if expected == "True" and not _triton._installed():
        pytest.skip("needs triton")
    program = f"""
import sys, torch
from dysample import DySample
DySample(8)(torch.zeros(1, 8, 2, 2)).sum().backward()
{statement}
print("triton" in sys.modules)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == expected


@pytest.mark.parametrize("shape", [(1, 2**15, 2**16), (4, 23172, 23172)])
def test_long_indices_where_an_image_needs_them(shape):
    image = torch.empty(3, *shape, dtype=torch.float16, device="meta")
    assert _triton.needs_long(None, image)
    assert not _triton.needs_long(image[:, :, :-1, :-1].new_empty(9, 1, 2**15, 2**15))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("groups", [1, 3, 8])
@pytest.mark.parametrize("channels", [1, 3, 8, 64, 500])
@pytest.mark.parametrize("width", [1, 7, 64, 1920])
def test_tiles_are_powers_of_two_of_a_size_registers_hold(width, channels, groups, last):
    for scale in (1, 2, 3, 4):
        tile, at_once, often = window_tile(last, width, channels, groups, scale, 2)
        assert at_once * often >= (scale * scale if last else scale)
        for some in (tile, map_tile(last, width, channels, groups, 2)):
            sides = (some.rows, some.columns, some.groups, some.channels)
            assert all(side >= 1 and side & (side - 1) == 0 for side in sides)
            # Of 4 warps of 32: at most 32 values to a thread.
            assert some.rows * some.columns * some.groups * some.channels <= 128 * 32


@pytest.mark.parametrize("channels", [1, 8, 20, 64, 500])
@pytest.mark.parametrize("programs", [1, 100, 5000])
def test_shares_of_channels_are_whole_tiles_and_cover_all(programs, channels):
    share = channels_a_program(programs, channels, 8)
    assert share % 8 == 0
    if programs >= 1024:
        assert channels <= share < channels + 8
    elif share > 8:  # enough programs, or it would be smaller
        assert programs * -(-channels // share) >= 1024
