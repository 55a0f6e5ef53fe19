"""`import dysample` needs torch alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = ("triton", "dybench", "onnx", "onnxruntime", "matplotlib", "pandas", "typer", "fvcore")


def imported_by(code):
    """The forbidden packages that a fresh interpreter has imported after `code`."""
    report = f"import sys; {code}; print([name for name in {FORBIDDEN} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_dysample_needs_torch_alone():
    use = "import torch, dysample; dysample.DySample(16)(torch.zeros(1, 16, 4, 4))"
    assert imported_by(use) == "[]"


def test_the_test_above_can_fail():
    assert imported_by("import dysample, dybench") == "['dybench']"


def test_without_triton_everything_else_works():
    code = (
        "sys.modules['triton'] = None; import torch, dysample; "
        "dysample.DySample(16)(torch.zeros(1, 16, 4, 4)).sum(); del sys.modules['triton']"
    )
    assert imported_by(code) == "[]"


@pytest.mark.parametrize("name", ["DySample", "UPSAMPLERS", "build_upsampler"])
def test_the_public_names(name):
    import dysample

    assert name in dysample.__all__
    assert hasattr(dysample, name)
