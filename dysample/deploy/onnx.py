"""ONNX files that onnxruntime and other runtimes read as torch does."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import re
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dysample._checks import check_one_of, check_positive
from dysample.deploy._state import in_eval
from dysample.ops.point_sample.forms import SAMPLINGS
from dysample.ops.point_sample.forms import sampling as written_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

OLDEST_OPSET = 18  # the one torch's exporter writes; it converts upwards only
RENAMED_OPSET = 20
_AXES = {0: "N", 2: "H", 3: "W"}  # what may vary in the shape of a map


def export_onnx(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    input_size: Sequence[int] | None = None,
    inputs: Sequence[Tensor] | None = None,
    opset: int = 18,
    dynamic: bool = True,
    sampling: str = "grid_sample",
    allow_opset_20: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write `module`, an upsampler or a network with upsamplers in it, as an ONNX file.

    The module is exported as it is in `eval()` and is left as it was. Inputs keep the names of
    `forward`'s arguments; the result is `output`.

    Args:
        module: takes maps and returns one.
        path: the file to write.
        input_size: `(N, C, H, W)` of the map. A guided upsampler gets a guide to match.
        inputs: example inputs, in place of `input_size`.
        opset: version of the ONNX operators, at least 18.
        dynamic: whether N, H and W may differ at run time from the example's.
        sampling: how DySample's and SAPA-D's point sampling is written: "grid_sample", with border
            padding; "grid_sample_zeros", with clamped positions and zeros padding, the fast or the
            only one in several runtimes; "gather", with no GridSample at all.
        allow_opset_20: allow versions from 20 on, in which GridSample's modes are renamed.
        overwrite: replace a file that is there already.

    Returns:
        The path of the file.

    Raises:
        ValueError: a version that would be read wrongly, an unknown `sampling`, or neither or both
            of `input_size` and `inputs`.
        FileExistsError: there is a file at `path`, and `overwrite` is False.
        ImportError: onnx or onnxscript is not installed.
    """
    _check_opset(opset, allow_opset_20)
    check_one_of("sampling", sampling, SAMPLINGS)
    examples = _examples(module, input_size, inputs, dynamic)
    target = Path(path)
    if target.exists() and not overwrite:
        raise FileExistsError(f"`path` (={str(path)!r}) exists; `overwrite=True` replaces it")
    onnx = _require("onnx")
    _require("onnxscript")
    names = list(inspect.signature(module.forward).parameters)[: len(examples)]
    with in_eval(module), torch.no_grad(), written_as(sampling):
        program = torch.export.export(
            module, examples, dynamic_shapes=_dynamic_shapes(examples, dynamic), strict=False
        )
    model = _translate(program, names, opset)
    _name_axes(model)
    onnx.checker.check_model(model, full_check=True)
    _write(target, model.SerializeToString(), overwrite=overwrite)
    return target


def _check_opset(opset: int, allow_opset_20: bool) -> None:
    check_positive("opset", opset)
    if opset < OLDEST_OPSET:
        raise ValueError(
            f"`opset` (={opset}) must be at least {OLDEST_OPSET}, the oldest that torch writes"
        )
    if opset >= RENAMED_OPSET and not allow_opset_20:
        raise ValueError(
            f"`opset` (={opset}) must be below {RENAMED_OPSET}: GridSample's modes were renamed "
            "there (bilinear became linear), and TensorRT then samples nearest, silently; "
            "`allow_opset_20=True` takes that on"
        )


def _examples(
    module: nn.Module,
    input_size: Sequence[int] | None,
    inputs: Sequence[Tensor] | None,
    dynamic: bool,
) -> tuple[Tensor, ...]:
    """Return example inputs; where sizes vary, no map of them has a batch of one.

    torch.export takes a size of one for a constant.
    """
    if (input_size is None) == (inputs is None):
        raise ValueError("exactly one of `input_size` and `inputs` must be given")
    examples = tuple(inputs) if inputs is not None else _drawn(module, input_size or ())
    if not dynamic:
        return examples
    for index, example in enumerate(examples):
        if example.dim() == 4 and min(example.shape[2:]) < 2:
            raise ValueError(
                f"`inputs[{index}]` (shape {tuple(example.shape)}) must be at least 2 high and "
                "wide where `dynamic`"
            )
    if all(example.dim() == 4 and example.shape[0] == 1 for example in examples):
        examples = tuple(torch.cat((example, example)) for example in examples)
    return examples


def _drawn(module: nn.Module, input_size: Sequence[int]) -> tuple[Tensor, ...]:
    if len(input_size) != 4:
        raise ValueError(f"`input_size` (={tuple(input_size)}) must be (N, C, H, W)")
    n, _, height, width = input_size
    shapes = [tuple(input_size)]
    if getattr(module, "guided", False):
        scale: Any = module.scale
        shapes.append((n, int(_guide_channels(module)), height * scale, width * scale))
    like = next(module.parameters(), torch.empty(0))
    return tuple(torch.randn(shape, dtype=like.dtype, device=like.device) for shape in shapes)


def _guide_channels(module: nn.Module) -> Any:  # noqa: ANN401
    channels = getattr(module, "guide_channels", None)
    return module.in_channels if channels is None else channels


def _dynamic_shapes(examples: tuple[Tensor, ...], dynamic: bool) -> Any:  # noqa: ANN401
    if not dynamic:
        return None
    varies = torch.export.Dim.DYNAMIC
    return tuple(dict.fromkeys(_AXES, varies) if x.dim() == 4 else None for x in examples)


def _require(name: str) -> Any:  # noqa: ANN401
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"export_onnx needs {name}, which is not installed: pip install 'dybench[onnx]'"
        ) from error


def _translate(program: torch.export.ExportedProgram, names: list[str], opset: int) -> Any:  # noqa: ANN401
    with _quiet_exporter():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            input_names=names,
            output_names=["output"],
            optimize=True,
            verbose=False,
        )
    if exported is None:
        raise RuntimeError("torch.onnx.export returned no model")
    model = exported.model_proto
    written = next(item.version for item in model.opset_import if item.domain == "")
    if written != opset:
        raise RuntimeError(f"torch wrote opset {written} in place of `opset` (={opset})")
    return model


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says about its own use of torch, and about torchvision's absence.

    No caller can mend either.
    """
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        registry.setLevel(level)


def _name_axes(model: Any) -> None:  # noqa: ANN401
    """Call the sizes of the first input N, H and W, wherever they occur."""
    shape = model.graph.input[0].type.tensor_type.shape
    known = {
        shape.dim[axis].dim_param: name for axis, name in _AXES.items() if axis < len(shape.dim)
    }
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = re.sub(r"\w+", lambda m: known.get(m[0], m[0]), dim.dim_param)


def _write(target: Path, content: bytes, *, overwrite: bool) -> None:
    """Put `content` at `target` in one step."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        if overwrite:
            beside.replace(target)
        else:
            _put_new(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _put_new(beside: Path, target: Path) -> None:
    """Put `beside` at `target` without replacing anything, which a rename would."""
    try:
        os.link(beside, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name first, then what it names
        target.touch(exist_ok=False)
        beside.replace(target)
