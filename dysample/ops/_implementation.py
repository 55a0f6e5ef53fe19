"""Which implementation of an operator runs: the best that can, or the one that was asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch._C._functorch import TransformType
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

# Why an implementation cannot run on some arguments; None where it can.
Reason = str | None


class _Choice:
    name = "auto"


_CHOICE = _Choice()
IMPLEMENTATIONS = ("auto", "naive", "torch", "gather", "triton")


@contextmanager
def implementation(name: str) -> Iterator[None]:
    """Run every operator called within by the implementation `name`.

    For benchmarks and for counting: "auto", "naive", "torch", or a fast one ("gather",
    "triton"). The choice holds for the whole process; nesting restores the outer one. An
    operator that does not have or cannot run the implementation raises ValueError.
    """
    before = _CHOICE.name
    _CHOICE.name = name
    try:
        yield
    finally:
        _CHOICE.name = before


def chosen(name: str | None) -> str:
    """Return the implementation asked for by keyword, else by the context, else "auto".

    In place of "auto", forward-mode differentiation and the gradients of `torch.func` get "naive":
    the operators have no formula for the one, and torch would take their derivative to be zero,
    and those refuse custom operators.
    """
    name = _CHOICE.name if name is None else name
    return "naive" if name == "auto" and _is_differentiated() else name


def _is_differentiated() -> bool:
    """Whether forward-mode differentiation or a gradient of `torch.func` is at work."""
    if torch.compiler.is_compiling():
        return False
    if forward_ad._current_level >= 0:
        return True
    transforms = torch._C._functorch.get_interpreter_stack() or ()
    return any(each.key() != TransformType.Vmap for each in transforms)


def is_tracing() -> bool:
    """Whether `torch.jit.trace` is recording."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def is_followed() -> bool:
    """Whether an exporter, a tracer or a transform of `torch.func` follows each operation."""
    return inline() or is_tracing() or _is_transformed()


def _is_transformed() -> bool:
    """Whether forward-mode differentiation or any transform of `torch.func`, vmap too, is on."""
    if torch.compiler.is_compiling():
        return False
    return forward_ad._current_level >= 0 or torch._C._are_functorch_transforms_active()


def may_overwrite() -> bool:
    """Whether a map that was just made may be written over: neither kept nor followed."""
    return not (torch.is_grad_enabled() or is_followed())


def require(implementation_name: str, operator: str, reason: Reason) -> None:
    """Raise unless `reason` is None."""
    if reason is not None:
        raise ValueError(
            f"`implementation` (={implementation_name!r}) cannot run {operator} here: {reason}"
        )


def inline() -> bool:
    """Whether the plain torch formula must stand in the graph in place of our operator."""
    return _is_exporting() or torch.onnx.is_in_onnx_export()


def _is_exporting_in_torch_2_6() -> bool:
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


_is_exporting = getattr(torch.compiler, "is_exporting", _is_exporting_in_torch_2_6)


def memory_format(x: Tensor) -> torch.memory_format:
    """Return the memory format that results take from the map `x`: that of its strides.

    Strides tell also where `x` is contiguous in both formats, as a map of one pixel is.
    """
    if x.stride(1) == 1 and x.stride(3) >= x.shape[1]:
        return torch.channels_last
    return torch.contiguous_format


def laid_out(out: Tensor, like: Tensor) -> Tensor:
    """Return `out` in the memory format of `like`; as it is where `torch.func` knows no other."""
    if _is_transformed():
        return out
    return out.contiguous(memory_format=memory_format(like))


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype for positions: float32, or float64 where `x` has it."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32
