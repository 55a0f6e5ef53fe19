"""Compile the Triton kernels for an H100 as they are launched, which takes no device.

The launches are recorded on meta tensors of the size that the paper measures at. What the
compiler made of them is held to what the design counts on: no spilled registers, and reads and
writes of 16 bytes where channels lie next to each other. In planes, warps lie along rows of pixels.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from dysample.ops.affinity.fused import affinity_fused
from dysample.ops.point_sample.fused import offset_sample_backward_fused, offset_sample_fused
from dysample.ops.point_sample.points import point_sample_backward_fused, point_sample_fused
from dysample.ops.reassemble.fused import reassemble_adjoint_fused, reassemble_fused
from tests.golden_cases import LAYOUTS
from tests.triton_device import INSTALLED, INTERPRETED

pytestmark = pytest.mark.skipif(
    not INSTALLED or INTERPRETED, reason="needs triton, not interpreting"
)
CAPABILITY = 90
POINTERS = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.int64: "*i64",
}
CHANNELS, SIZE = 256, 120


class Recorder:
    """Stands in for a kernel, and keeps what it is launched with."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        self.grid = grid
        return self.launch

    def launch(self, *arguments: Any, **settings: Any) -> None:
        self.arguments, self.settings = arguments, settings

    def compile(self) -> Any:
        import triton
        from triton.backends.compiler import GPUTarget

        given = dict(zip(self.kernel.arg_names, self.arguments, strict=False))
        signature = {
            name: POINTERS[value.dtype] if isinstance(value, torch.Tensor) else "i32"
            for name, value in given.items()
        }
        constants = {k: v for k, v in self.settings.items() if k != "enable_fp_fusion"}
        options = {"num_warps": 4, "enable_fp_fusion": self.settings["enable_fp_fusion"]}
        return triton.compile(
            source(self.kernel, signature, constants),
            target=GPUTarget("cuda", CAPABILITY, 32),
            options=options,
        )


def source(kernel: Any, signature: dict[str, str], constants: dict[str, Any]) -> Any:
    """Return what the compiler takes: every pointer is a multiple of 16 bytes, as torch's are."""
    from triton.compiler import ASTSource

    number = kernel.arg_names.index
    aligned = [number(name) for name, kind in signature.items() if kind.startswith("*")]
    signature = signature | dict.fromkeys(constants, "constexpr")
    if "constexprs" in inspect.signature(ASTSource).parameters:
        by_number = {(number(name),): value for name, value in constants.items()}
        attributes = {(place,): [["tt.divisibility", 16]] for place in aligned}
        return ASTSource(kernel, signature, constexprs=by_number, attrs=attributes)
    from triton.backends.compiler import AttrsDescriptor  # Triton 3.2

    known = {"arg_properties": {"tt.divisibility": aligned}, "cls": "AttrsDescriptor"}
    return ASTSource(kernel, signature, constants, AttrsDescriptor.from_dict(known))


def meta(channels: int, size: int, dtype: torch.dtype, layout: str) -> torch.Tensor:
    value = torch.empty(1, channels, size, size, dtype=dtype, device="meta")
    return value.contiguous(memory_format=LAYOUTS[layout])


def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions and weights of SAPA-D: nine points in each of four groups."""
    shape = (4, 9, 2 * SIZE, 2 * SIZE)
    return torch.empty(1, 2, *shape, device="meta"), torch.empty(1, *shape, device="meta")


def launch(operator: str, dtype: torch.dtype, layout: str) -> None:
    x, large = (meta(CHANNELS, size, dtype, layout) for size in (SIZE, 2 * SIZE))
    offset = meta(32, SIZE, dtype, layout)
    kernels = meta(25, 2 * SIZE, dtype, layout)
    if operator == "point_sample.forward_kernel":
        offset_sample_fused(x, offset, None, 2, 4, "lp")
    elif operator == "point_sample.backward_kernel":
        offset_sample_backward_fused(large, x, offset, offset, 2, 4, "lp", [True] * 3)
    elif operator == "point_sample.points_kernel":
        point_sample_fused(x, *points(), "zeros")
    elif operator == "point_sample.points_backward_kernel":
        point_sample_backward_fused(large, x, *points(), "zeros", [True] * 3)
    elif operator == "reassemble.reassemble_kernel":
        reassemble_fused(x, kernels, 1, 2, 5)
    elif operator == "reassemble.adjoint_kernel":
        reassemble_adjoint_fused(large, kernels, 1, 2, 5)
    else:
        affinity_fused(large, x, 5, 1, 2)


OPERATORS = [
    "point_sample.forward_kernel",
    "point_sample.backward_kernel",
    "point_sample.points_kernel",
    "point_sample.points_backward_kernel",
    "reassemble.reassemble_kernel",
    "reassemble.adjoint_kernel",
    "affinity.affinity_kernel",
]


def record(operator: str, dtype: torch.dtype, layout: str, monkeypatch: Any) -> Recorder:
    package, name = operator.split(".")
    file = "points_kernels" if name.startswith("points") else "triton_kernels"
    module = importlib.import_module(f"dysample.ops.{package}.{file}")
    recorder = Recorder(getattr(module, name))
    monkeypatch.setattr(module, name, recorder)
    launch(operator, dtype, layout)
    return recorder


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [(torch.float32, "contiguous"), (torch.float16, "channels_last")],
    ids=["float32, planes", "float16, channels_last"],
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_spills_nothing_and_reads_wide(operator, dtype, layout, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorder = record(operator, dtype, layout, monkeypatch)
    built = recorder.compile()
    if layout == "channels_last":
        assert re.search(r"ld\.global\.v4\.b32", built.asm["ptx"])
    else:
        assert built.metadata.shared == 0  # every thread keeps to its own column
        layouts = re.findall(r"threadsPerWarp = \[((?:\d+, )+\d+)\]", built.asm["ttgir"])
        assert set(layouts) <= {"1, 32", "1, 1, 32"}
    assert stack_bytes(built.asm["cubin"], tmp_path) == 0
    # Enough programs for 132 multiprocessors, few enough to number in 32 bits.
    assert 132 <= recorder.grid[0] < 2**31


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "operator", ["point_sample.backward_kernel", "point_sample.points_backward_kernel"]
)
def test_sums_in_64_bits_spill_nothing_either(operator, layout, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    torch.use_deterministic_algorithms(True)
    try:
        recorder = record(operator, torch.float16, layout, monkeypatch)
    finally:
        torch.use_deterministic_algorithms(False)
    assert stack_bytes(recorder.compile().asm["cubin"], tmp_path) == 0


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_image_of_over_2_31_values_wraps_no_address(operator, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorder = record(operator, torch.float32, "contiguous", monkeypatch)
    recorder.settings["long"] = True
    products = re.findall(r"arith\.muli (.*) : .*i32", recorder.compile().asm["ttir"])
    # Of a part or a tap with a constant alone, never of two sizes.
    assert all(re.fullmatch(r"%\w+, %c\d+_i32", each) for each in products)


def stack_bytes(cubin: bytes, folder: Path) -> int:
    """Return the bytes of stack of the only kernel in `cubin`: what registers spilled to."""
    import triton

    beside = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    tool = str(beside) if beside.exists() else shutil.which("cuobjdump")
    if tool is None:
        pytest.skip("needs cuobjdump")
    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    told = subprocess.run(
        [tool, "-res-usage", str(path)], capture_output=True, text=True, check=True
    )
    return int(re.findall(r"STACK:(\d+)", told.stdout + told.stderr)[0])
