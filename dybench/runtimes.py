"""What runs an upsampler: torch eagerly, its compiler, or onnxruntime."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dybench.errors import UsageError
from dysample import export_onnx

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from dybench.case import Case

_ONNX_DTYPES = ("float32", "float64", "float16")  # numpy, which holds the inputs, has no bfloat16


class CannotRunError(ValueError):
    """A runtime cannot do a case; the message says why, and the row is skipped."""


def require(runtime: str) -> None:
    """Raise unless what `runtime` needs is installed.

    Raises:
        UsageError: naming the package and the extra that has it.
    """
    if runtime == "onnxruntime":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            _import(name)


def check(case: Case) -> None:
    """Raise if the case's runtime cannot do it, whatever the upsampler.

    Raises:
        CannotRunError: with the reason.
    """
    if case.runtime == "compile":
        _check_compiler(case.device)
    if case.runtime != "onnxruntime":
        return
    if case.mode == "training":
        raise CannotRunError("onnxruntime runs inference only")
    if not case.device.startswith("cpu"):
        raise CannotRunError("onnxruntime is measured on the CPU only")
    if case.layout != "contiguous":
        raise CannotRunError(f"ONNX has one layout, and it is not {case.layout}")
    if case.dtype not in _ONNX_DTYPES:
        raise CannotRunError(f"inputs to onnxruntime come from numpy, which has no {case.dtype}")


def _check_compiler(device: str) -> None:
    if device.startswith("cuda"):
        if importlib.util.find_spec("triton") is None:
            raise CannotRunError("torch.compile needs triton on CUDA: pip install triton")
        return
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(shlex.split(compiler)[0]) is None:
        raise CannotRunError(
            f"torch.compile needs a C++ compiler on the CPU, and {compiler} is none"
        )


def forget_compiled() -> None:
    """Start torch's compiler afresh, so that each cell is compiled for its own size.

    Compiled code is kept by function, not by module: a second size would be compiled for any
    size, and after a few modules of a class the compiler would give up and run eagerly.
    """
    torch.compiler.reset()


def onnxruntime_call(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[], Tensor]:
    """Export `module` at the sizes of `inputs` and return a call of onnxruntime on them.

    The session has as many threads as torch, and they sleep between calls: by default they would
    spin, and slow down whoever is measured next.

    Args:
        module: the upsampler, on the CPU.
        inputs: `x`, and the guide of a guided upsampler.

    Returns:
        A call without arguments that returns the result, `(N, C, sH, sW)`.

    Raises:
        UsageError: onnx, onnxscript or onnxruntime is not installed.
        CannotRunError: onnxruntime has no kernel for the dtype.
    """
    require("onnxruntime")
    runtime = _import("onnxruntime")
    examples = tuple(x.detach() for x in inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(module, Path(folder) / "module.onnx", inputs=examples, dynamic=False)
        content = path.read_bytes()
    session = _session(runtime, content)
    names = [value.name for value in session.get_inputs()]
    feed = {name: x.numpy() for name, x in zip(names, examples, strict=True)}

    def call() -> Tensor:
        (result,) = session.run(["output"], feed)
        return torch.from_numpy(result)

    return call


def _session(runtime: Any, content: bytes) -> Any:  # noqa: ANN401
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; what it cannot fold is no concern of the user's
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except runtime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        line = str(error).splitlines()[0]
        raise CannotRunError(f"onnxruntime has no kernel on the CPU: {line}") from error


def _import(name: str) -> Any:  # noqa: ANN401
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"the onnxruntime runtime needs {name}, which is not installed: "
            "pip install 'dybench[onnx]'"
        ) from error
