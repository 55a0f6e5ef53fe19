"""The fused point sampling against its definition, forward and every gradient."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from dysample.ops import implementation, point_sample
from dysample.ops.point_sample import points as points_module
from tests.dysample.modules.test_compared import build
from tests.golden_cases import LAYOUTS, load_golden
from tests.triton_device import DEVICE, assert_rounded, on_triton

pytestmark = on_triton
FLOAT, HALF, BRAIN = torch.float32, torch.float16, torch.bfloat16
LAST = "channels_last"


@dataclass(frozen=True)
class Case:
    """One call: the map, the output's size, the groups and points, and what it is there for."""

    why: str
    shape: tuple[int, int, int, int]
    size: tuple[int, int]
    groups: int = 1
    points: int | None = None
    padding: str = "zeros"
    layout: str = "contiguous"
    dtype: torch.dtype = FLOAT


CASES = [
    Case("two images, nine points", (2, 4, 3, 5), (6, 10), 2, 9),
    Case("channels_last, nine points", (1, 8, 3, 4), (6, 8), 4, 9, "zeros", LAST),
    Case("border padding", (1, 8, 3, 4), (6, 8), 2, 3, "border"),
    Case("border padding, channels_last, one point", (2, 6, 4, 3), (5, 7), 3, None, "border", LAST),
    Case("one point, zeros", (1, 4, 3, 5), (4, 4), 4, None),
    Case("one pixel", (1, 4, 1, 1), (2, 2), 2, 2),
    Case("one row, border", (1, 4, 1, 6), (2, 12), 2, 2, "border", LAST),
    Case("more columns than a tile's 64", (1, 3, 2, 33), (2, 66), 1, 2),
    Case("more channels than a tile's 8", (1, 20, 2, 2), (3, 3), 1, 2),
    Case("more channels than a tile's 64", (1, 70, 2, 2), (3, 3), 1, 2, "zeros", LAST),
    Case("three narrow groups in a bundle of four", (1, 24, 2, 3), (4, 6), 3, 2, "zeros", LAST),
    Case("float16", (1, 8, 3, 4), (6, 8), 2, 3, dtype=HALF),
    Case("bfloat16, channels_last", (1, 16, 3, 4), (6, 8), 2, 3, "border", LAST, BRAIN),
]


def inputs(case: Case) -> list[torch.Tensor | None]:
    n, _, height, width = case.shape
    inner = (case.groups,) if case.points is None else (case.groups, case.points)
    # From well before the map to well behind it, so that many points leave it.
    reach = torch.tensor([width, height], dtype=FLOAT).view(1, 2, *[1] * (len(inner) + 2))
    positions = (torch.rand(n, 2, *inner, *case.size) * 2 - 0.5) * reach
    x = torch.randn(case.shape).to(DEVICE, case.dtype)
    x = x.contiguous(memory_format=LAYOUTS[case.layout]).requires_grad_()
    positions = positions.to(DEVICE).requires_grad_()
    if case.points is None:
        return [x, positions, None]
    weights = torch.randn(n, *inner, *case.size).to(DEVICE, case.dtype)
    return [x, positions, weights.requires_grad_()]


def run(case: Case, maps: list[torch.Tensor | None], name: str) -> torch.Tensor:
    return point_sample(*maps, padding=case.padding, implementation=name)


def exact(case: Case, maps: list[torch.Tensor | None], received: torch.Tensor):
    """Return the result and the gradients of the definition, in float64."""
    maps = [None if m is None else m.detach().double().cpu().requires_grad_() for m in maps]
    out = run(case, maps, "naive")
    out.backward(received.double().cpu())
    return out.detach(), [None if m is None else m.grad for m in maps]


def check(case: Case, maps: list[torch.Tensor | None]) -> None:
    out = run(case, maps, "triton")
    received = torch.randn(out.shape).to(out)
    out.backward(received)
    expected, gradients = exact(case, maps, received)
    assert_rounded(out.detach(), expected, case.dtype, "out")
    assert out.is_contiguous(memory_format=LAYOUTS[case.layout])
    names = ("x", "positions", "weights")
    for name, value, gradient in zip(names, maps, gradients, strict=True):
        if value is not None:
            assert_rounded(value.grad, gradient, value.dtype, name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_agrees_with_the_definition(case):
    check(case, inputs(case))


@pytest.mark.parametrize("case", CASES[:4], ids=lambda case: case.why)
def test_writes_all_and_adds_up_deterministically(case, unwritten_memory_is_nan):
    check(case, inputs(case))


@pytest.mark.parametrize("needed", [0, 1, 2])
def test_takes_one_gradient_alone(needed):
    case = CASES[0]
    maps = inputs(case)
    for index, value in enumerate(maps):
        value.requires_grad_(index == needed)
    out = run(case, maps, "triton")
    received = torch.randn(out.shape).to(out)
    out.backward(received)
    _, gradients = exact(case, maps, received)
    for index, (value, gradient) in enumerate(zip(maps, gradients, strict=True)):
        assert (value.grad is not None) is (index == needed)
        if index == needed:
            assert_rounded(value.grad, gradient, FLOAT, "gradient")


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_reads_no_pixel_off_the_map(value, padding):
    case = Case("far", (1, 2, 3, 4), (2, 2), padding=padding)
    maps = inputs(case)
    with torch.no_grad():
        maps[1].fill_(value)
    out = run(case, maps, "triton").detach()
    corner = -1 if value > 0 else 0
    pixel = maps[0].detach()[:, :, corner, corner] * (padding == "border")
    torch.testing.assert_close(out, pixel[..., None, None].expand_as(out), rtol=0, atol=0)


@pytest.mark.parametrize("padding", ["border", "zeros"])
def test_positions_on_pixels_and_on_the_edges_of_what_is_read(padding):
    case = Case("whole numbers", (1, 2, 3, 4), (1, 8), padding=padding)
    maps = inputs(case)
    with torch.no_grad():
        maps[1].copy_(torch.arange(-2.0, 6.0).expand_as(maps[1]))
    check(case, maps)


def test_indices_of_64_bits_agree(monkeypatch):
    monkeypatch.setattr(points_module, "needs_long", lambda *_: True)
    check(CASES[1], inputs(CASES[1]))
    check(CASES[2], inputs(CASES[2]))


@pytest.mark.parametrize("name", ["sapadeform_0_cy16_x2", "sapadeform_3_cy8_x3"])
def test_sapa_d_gives_the_authors_numbers(name):
    case = load_golden(name)
    module = build(case).to(DEVICE).eval()
    maps = [case.input(which, FLOAT, "contiguous").to(DEVICE) for which in ("x", "guide")]
    with implementation("triton"), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        out = module(*maps)
    torch.testing.assert_close(out.detach().cpu(), case.tensor("out"), rtol=0, atol=2e-5)


def test_shapes_and_strides_are_as_announced():
    case = CASES[1]
    maps = [m.detach() for m in inputs(case)]
    received = torch.randn_like(run(case, maps, "triton"))
    operators = torch.ops.dysample
    for operator, arguments in (
        (operators.point_sample, (*maps, case.padding, "triton")),
        (operators.point_sample_backward, (received, *maps, case.padding, [True] * 3, "triton")),
    ):
        announced = ("test_schema", "test_faketensor")
        torch.library.opcheck(operator.default, arguments, test_utils=announced)
