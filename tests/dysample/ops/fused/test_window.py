"""The fused reassembly, its adjoint and the affinity against their definitions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from dysample.ops import _triton, affinity, reassemble
from dysample.ops.affinity import fused as fused_affinity
from dysample.ops.reassemble import fused as fused_reassemble
from tests.golden_cases import LAYOUTS, load_golden
from tests.triton_device import DEVICE, assert_rounded, on_triton

pytestmark = on_triton
LAST = "channels_last"


@dataclass(frozen=True)
class Case:
    """One call: the low-resolution map, the scale, the window, and what it is there for."""

    why: str
    shape: tuple[int, int, int, int]
    scale: int = 2
    side: int = 3
    groups: int = 1
    layout: str = "contiguous"
    other_layout: str = "contiguous"
    dtype: torch.dtype = torch.float32


CASES = [
    Case("two images, two groups", (2, 4, 2, 2), 2, 3, 2),
    Case("channels_last, two groups", (2, 4, 2, 3), 2, 3, 2, LAST, LAST),
    Case("the two laid out differently", (1, 4, 2, 3), 2, 3, 1, LAST),
    Case("the two laid out differently, the other way", (1, 4, 2, 3), 2, 3, 1, "contiguous", LAST),
    Case("odd scale: nine output pixels, four at a time", (1, 6, 2, 2), 3, 3, 2, LAST, LAST),
    Case("odd scale and group", (1, 6, 2, 2), 3, 3, 2),
    Case("no upsampling", (1, 4, 3, 2), 1, 3, 1, LAST, LAST),
    Case("scale 4, one tap", (1, 4, 2, 2), 4, 1),
    Case("a window larger than the map", (1, 3, 1, 2), 2, 5),
    Case("more columns than a tile's 64", (1, 2, 1, 33)),
    Case("more columns than a tile's 8", (1, 4, 1, 9), 2, 3, 1, LAST, LAST),
    Case("more channels than a tile's 8 and 32", (1, 35, 1, 2)),
    Case("more channels than a tile's 64", (1, 70, 2, 2), 2, 3, 1, LAST, LAST),
    Case("float16", (1, 4, 2, 3), 2, 3, 2, dtype=torch.float16),
    Case("bfloat16, channels_last", (1, 8, 2, 3), 2, 3, 2, LAST, LAST, torch.bfloat16),
]


def leaf(shape: tuple[int, ...], layout: str, dtype: torch.dtype) -> torch.Tensor:
    value = torch.randn(shape).to(DEVICE, dtype)
    return value.contiguous(memory_format=LAYOUTS[layout]).requires_grad_()


def check(call, maps: dict[str, torch.Tensor], dtype: torch.dtype, layout: str) -> None:
    """Fail unless `call(*maps, name)` gives the same values and gradients for both names."""
    out = call(*maps.values(), "triton")
    received = torch.randn(out.shape).to(out)
    out.backward(received)
    exact = {name: m.detach().double().cpu().requires_grad_() for name, m in maps.items()}
    expected = call(*exact.values(), "naive")
    expected.backward(received.double().cpu())
    assert_rounded(out.detach(), expected.detach(), dtype, "out")
    assert out.is_contiguous(memory_format=LAYOUTS[layout])
    for name, value in maps.items():
        assert_rounded(value.grad, exact[name].grad, dtype, name)


def reassembly(case: Case):
    n, _, height, width = case.shape
    large = (height * case.scale, width * case.scale)
    maps = {
        "x": leaf(case.shape, case.layout, case.dtype),
        "kernels": leaf((n, case.groups * case.side**2, *large), case.other_layout, case.dtype),
    }
    return maps, lambda x, kernels, name: reassemble(
        x, kernels, groups=case.groups, implementation=name
    )


def likeness(case: Case):
    n, channels, height, width = case.shape
    large = (height * case.scale, width * case.scale)
    maps = {
        "query": leaf((n, channels, *large), case.layout, case.dtype),
        "key": leaf(case.shape, case.other_layout, case.dtype),
    }
    return maps, lambda query, key, name: affinity(
        query, key, kernel_size=case.side, implementation=name
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_reassembly_agrees_with_the_definition(case):
    maps, call = reassembly(case)
    check(call, maps, case.dtype, case.layout)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.groups == 1], ids=lambda case: case.why
)
def test_affinity_agrees_with_the_definition(case):
    maps, call = likeness(case)
    check(call, maps, case.dtype, case.layout)


@pytest.mark.parametrize("case", CASES[2:4], ids=lambda case: case.why)
def test_all_is_written(case, unwritten_memory_is_nan):
    for maps, call in (reassembly(case), likeness(case)):
        check(call, maps, case.dtype, case.layout)


@pytest.mark.parametrize("case", CASES[2:4], ids=lambda case: case.why)
def test_programs_that_are_many_walk_over_all_there_is(case, monkeypatch):
    monkeypatch.setattr(_triton, "_ENOUGH_PROGRAMS", 0)
    for maps, call in (reassembly(case), likeness(case)):
        check(call, maps, case.dtype, case.layout)


def test_indices_of_64_bits_agree(monkeypatch):
    for module in (fused_reassemble, fused_affinity):
        monkeypatch.setattr(module, "needs_long", lambda *_: True)
    for maps, call in (reassembly(CASES[2]), likeness(CASES[2])):
        check(call, maps, torch.float32, CASES[2].layout)


@pytest.mark.parametrize(
    ("name", "layout"), [("op_carafe_1_k3_g2_x3", LAST), ("op_sapa_qk_1_k3_x3", "contiguous")]
)
def test_gives_the_authors_numbers(name, layout):
    case = load_golden(name)
    maps = [
        case.input(key, torch.float32, layout).detach().to(DEVICE).requires_grad_()
        for key in case.meta["call"]
    ]
    if name.startswith("op_carafe"):
        groups = case.meta["ctor"]["group_size"]
        out = reassemble(*maps, groups=groups, implementation="triton")
    else:
        size = case.meta["ctor"]["kernel_size"]
        out = affinity(*maps, kernel_size=size, implementation="triton")
    assert_rounded(out.detach(), case.tensor("out64"), torch.float32, "out")
    out.backward(case.tensor("r", torch.float32).to(DEVICE))
    for key, value in zip(case.meta["call"], maps, strict=True):
        gradient = case.tensor(f"grad.in.{key}", torch.float64)
        assert_rounded(value.grad, gradient, torch.float32, key)


def test_shapes_and_strides_are_as_announced():
    case = CASES[3]
    announced = ("test_schema", "test_faketensor")
    (x, kernels), (query, key) = (
        [m.detach() for m in maps.values()] for maps, _ in (reassembly(case), likeness(case))
    )
    received, logits = torch.randn_like(query), torch.randn_like(kernels)
    operators = torch.ops.dysample
    for operator, arguments in (
        (operators.reassemble, (x, kernels, 1, "triton")),
        (operators.reassemble_backward, (received, x, kernels, 1, "triton", [True, True])),
        (operators.affinity, (query, key, 3, "triton")),
        (operators.affinity_backward, (logits, query, key, "triton", [True, True])),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=announced)
