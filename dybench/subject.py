"""A case made ready to run: the module, its inputs, and the call to measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from dybench import runtimes
from dybench.case import TRAINED_OFFSET_STD
from dysample import DySample

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from dybench.case import Case
    from dybench.sources import Source


class Subject(NamedTuple):
    """What is measured: `call()` is one inference, or one forward and backward."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    call: Callable[[], object]


def build(
    case: Case,
    source: Source,
    *,
    device: torch.device,
    seed: int,
    offset_std: float = TRAINED_OFFSET_STD,
) -> nn.Module:
    """Build the case's upsampler on `device`, in the case's dtype, layout and mode.

    Raises:
        ValueError, TypeError: as the upsampler's constructor does.
    """
    torch.manual_seed(seed)
    with device:
        module = source.build(case.channels, case.scale, dict(case.options))
    for dysample in (m for m in module.modules() if isinstance(m, DySample)):
        spread_offsets(dysample, offset_std)
    module = module.to(device=device, dtype=getattr(torch, case.dtype))
    if case.layout == "channels_last":
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.train(case.mode == "training")


def spread_offsets(module: DySample, std: float) -> None:
    """Give the offsets the spread that training gives them, on inputs of unit variance.

    A fresh DySample's offsets are close to zero, so that neighbouring outputs read neighbouring
    inputs and the cache is kinder than it will ever be again.

    Args:
        module: the upsampler, changed in place.
        std: standard deviation of the offsets in low-resolution pixels.
    """
    weight = module.offset.weight
    if weight.is_meta:
        return
    static_scope = 0.25
    with torch.no_grad():
        weight.normal_(std=std / static_scope / weight.shape[1] ** 0.5)


def make_inputs(case: Case, *, guided: bool, device: torch.device, seed: int) -> tuple[Tensor, ...]:
    """Draw the map, and the guide at the output's size for a guided upsampler.

    Returns:
        `x` of `(N, C, H, W)`, and `guide` of `(N, Cg, sH, sW)`; standard normal, same for all
        upsamplers of a cell.
    """
    shapes = [case.input_shape]
    if guided:
        channels = int(case.options.get("guide_channels") or case.channels)
        n, _, height, width = case.output_shape
        shapes.append((n, channels, height, width))
    memory_format = (
        torch.channels_last if case.layout == "channels_last" else torch.contiguous_format
    )
    generator = torch.Generator(device="cpu").manual_seed(seed)
    inputs = []
    for shape in shapes:
        if device.type == "meta":
            tensor = torch.empty(shape, device=device, dtype=getattr(torch, case.dtype))
        else:
            drawn = torch.randn(shape, generator=generator)
            tensor = drawn.to(device=device, dtype=getattr(torch, case.dtype))
        tensor = tensor.contiguous(memory_format=memory_format)
        inputs.append(tensor.requires_grad_(case.mode == "training"))
    return tuple(inputs)


def prepare(case: Case, module: nn.Module, inputs: tuple[Tensor, ...]) -> Subject:
    """Join module and inputs to the call that is measured, in the case's mode and runtime.

    Raises:
        UsageError: the runtime is not installed.
        CannotRunError: the runtime cannot do the case.
    """
    runtimes.check(case)
    if case.runtime == "onnxruntime":
        return Subject(module, inputs, runtimes.onnxruntime_call(module, inputs))
    run: Callable[..., Tensor] = module
    if case.runtime == "compile":
        run = torch.compile(module)
    if case.mode == "inference":

        def infer() -> Tensor:
            with torch.inference_mode():
                return run(*inputs)

        return Subject(module, inputs, infer)

    leaves = [*inputs, *(p for p in module.parameters() if p.requires_grad)]

    def train() -> Tensor:
        result = run(*inputs)
        result.backward(result.detach())
        for leaf in leaves:  # not before: what is live when a call begins counts in no peak
            leaf.grad = None
        return result

    return Subject(module, inputs, train)
