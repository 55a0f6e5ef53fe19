"""With nothing but torch installed everything works, and what is missing is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BLOCKED = ("onnx", "onnxscript", "onnxruntime", "triton", "monai", "fvcore", "msgspec", "dybench")
BLOCK = f"""
import sys
for name in {BLOCKED!r}:
    sys.modules[name] = None  # importing it raises ImportError
"""

WORKS = """
import torch
from dysample import UPSAMPLERS, build_upsampler, replace_upsample
for name, entry in UPSAMPLERS.items():
    module = build_upsampler(name, 32)
    inputs = [torch.randn(1, 32, 3, 4, requires_grad=True)]
    if entry.guided:
        inputs.append(torch.randn(1, 32, 6, 8, requires_grad=True))
    out = module(*inputs)
    out.square().mean().backward()
    assert out.shape == (1, 32, 6, 8), name
    assert inputs[0].grad is not None, name
model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1), torch.nn.Upsample(scale_factor=2))
print(*replace_upsample(model, example_inputs=torch.zeros(1, 3, 4, 4)).replaced)
module = build_upsampler("dysample", 8)
compiled = torch.compile(module, fullgraph=True, backend="eager")
x = torch.randn(1, 8, 4, 4)
torch.testing.assert_close(compiled(x), module(x))
"""

EXPORTS = """
import torch
from dysample import build_upsampler, export_onnx
try:
    export_onnx(build_upsampler("dysample", 8), "never.onnx", input_size=(1, 8, 4, 4))
except ImportError as error:
    print(error)
"""


def run(code):
    """Run `code` in a process of its own and return what it prints."""
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_block_blocks():
    code = BLOCK + "try:\n    import onnx\nexcept ImportError:\n    print('blocked')"
    assert run(code) == "blocked"


def test_with_torch_alone_everything_else_works():
    assert run(BLOCK + WORKS) == "1"


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_export_names_the_extra(missing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = f"import sys\nsys.modules[{missing!r}] = None\n"
    assert run(block + EXPORTS) == (
        f"export_onnx needs {missing}, which is not installed: pip install 'dybench[onnx]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_imports_none_of_them():
    code = "import sys, dysample\nprint(*({!r} & sys.modules.keys()))"
    assert run(code.replace("{!r}", repr(set(BLOCKED)))) == ""
