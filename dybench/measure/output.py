"""Whether outputs agree: with the naive definition of the operators, and with an earlier output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import torch

from dybench.subject import build, make_inputs
from dysample.ops import implementation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from dybench.case import Case
    from dybench.sources import Source

PROBES = 64
NAIVE_SIDE = 24  # the definitions unfold their input; a large map would not fit


def probe(module: nn.Module, inputs: Sequence[Tensor], seed: int) -> list[float]:
    """Root mean square, mean and 64 evenly spread values of an output, to be kept in a report.

    Values that are not finite, which JSON has no word for, are kept as the largest float.
    """
    output = _output(module, inputs, seed).double().flatten()
    if not output.numel():
        return []
    places = torch.linspace(0, output.numel() - 1, PROBES, dtype=torch.float64).round().long()
    figures = [output.square().mean().sqrt(), output.mean(), *output[places]]
    largest = torch.finfo(torch.float64).max
    return [float(v) if math.isfinite(v) else largest for v in figures]


def naive_deviation(case: Case, source: Source, *, seed: int, offset_std: float) -> float | None:
    """How far the case's output is from the naive definition's, relative to its root mean square.

    On a map of at most 24×24, on the CPU. None where an operator has no naive definition.
    """
    small = msgspec.structs.replace(
        case,
        height=min(case.height, NAIVE_SIDE),
        width=min(case.width, NAIVE_SIDE),
        batch=min(case.batch, 2),
        runtime="eager",
    )
    device = torch.device(case.device)
    module = build(small, source, device=device, seed=seed, offset_std=offset_std)
    inputs = make_inputs(small, guided=source.guided, device=device, seed=seed)
    fast = _output(module, inputs, seed).double()
    try:
        with implementation("naive"):
            defined = _output(module, inputs, seed).double()
    except ValueError:
        return None
    scale = max(float(defined.square().mean().sqrt()), 1e-30)
    deviation = float((fast - defined).abs().max()) / scale
    return deviation if math.isfinite(deviation) else math.inf


def _output(module: nn.Module, inputs: Sequence[Tensor], seed: int) -> Tensor:
    torch.manual_seed(seed)  # for modules that draw numbers in their forward
    with torch.no_grad():
        result: Tensor = module(*inputs)
    return result
