"""The fused offset sampling against its definition, forward and every gradient."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from dysample import DySample
from dysample.ops import implementation, offset_sample
from dysample.ops.point_sample import fused as fused_module
from tests.golden_cases import LAYOUTS, load_golden
from tests.triton_device import DEVICE, assert_rounded, on_triton

pytestmark = on_triton
FLOAT, HALF, BRAIN = torch.float32, torch.float16, torch.bfloat16
LAST = "channels_last"


@dataclass(frozen=True)
class Case:
    """One call: what is sampled, how, and what it is there for."""

    why: str
    shape: tuple[int, int, int, int]
    scale: int = 2
    groups: int = 4
    style: str = "lp"
    dynamic: bool = False
    x_layout: str = "contiguous"
    offset_layout: str = "contiguous"
    dtype: torch.dtype = FLOAT


CASES = [
    Case("two images, odd sizes", (2, 4, 3, 5), 2, 1),
    Case("channels_last, with a scope", (2, 8, 3, 4), 2, 4, "lp", True, LAST, LAST),
    Case("pl, with a scope", (1, 8, 3, 4), 2, 2, "pl", True),
    Case("pl, map and offsets laid out differently", (1, 8, 3, 4), 2, 2, "pl", False, LAST),
    Case("odd scale and group", (1, 6, 4, 3), 3, 2, "lp", True, "contiguous", LAST),
    Case("odd scale and group, channels_last", (1, 6, 4, 3), 3, 2, "pl", False, LAST, LAST),
    Case("no upsampling", (1, 4, 5, 3), 1, 1),
    Case("scale 4", (1, 4, 2, 3), 4, 1, "pl", True, LAST, LAST),
    Case("one pixel: everything is clamped", (1, 4, 1, 1), 2, 2),
    Case("one row", (1, 4, 1, 6), 2, 2, "lp", True, LAST, LAST),
    Case("more columns than a tile's 64", (1, 3, 2, 33), 2, 1),
    Case("more columns than a tile's 16", (1, 8, 2, 9), 2, 1, "lp", False, LAST),
    Case("more channels than a tile's 8", (1, 20, 2, 2), 2, 1),
    Case("more channels than a tile's 64", (1, 70, 2, 2), 2, 1, "lp", False, LAST),
    Case("three narrow groups in a bundle of four", (1, 24, 2, 3), 2, 3, "lp", True, LAST, LAST),
    Case("float16", (1, 8, 3, 4), 2, 2, "lp", True, dtype=HALF),
    Case("bfloat16, channels_last", (1, 16, 3, 4), 2, 2, "pl", True, LAST, LAST, BRAIN),
]


def inputs(case: Case) -> list[torch.Tensor | None]:
    n, _, height, width = case.shape
    if case.style == "lp":
        shape = (n, 2 * case.groups * case.scale**2, height, width)
    else:
        shape = (n, 2 * case.groups, height * case.scale, width * case.scale)
    # Offsets of several pixels, so that many positions leave the map.
    maps = [torch.randn(case.shape), 5 * torch.randn(shape), torch.randn(shape)]
    layouts = (case.x_layout, case.offset_layout, case.offset_layout)
    prepared = [
        value.to(DEVICE, case.dtype).contiguous(memory_format=LAYOUTS[layout]).requires_grad_()
        for value, layout in zip(maps, layouts, strict=True)
    ]
    return prepared if case.dynamic else [*prepared[:2], None]


def run(case: Case, maps: list[torch.Tensor | None], name: str) -> torch.Tensor:
    return offset_sample(
        *maps, scale=case.scale, groups=case.groups, style=case.style, implementation=name
    )


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
    assert out.is_contiguous(memory_format=LAYOUTS[case.x_layout])
    for name, value, gradient in zip(("x", "offset", "scope"), maps, gradients, strict=True):
        if value is not None:
            assert_rounded(value.grad, gradient, case.dtype, name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_agrees_with_the_definition(case):
    check(case, inputs(case))


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.why)
def test_writes_all_and_adds_up_deterministically(case, unwritten_memory_is_nan):
    check(case, inputs(case))


def test_deterministic_sums_are_integers(unwritten_memory_is_nan):
    x = torch.randn(1, 2, 3, 3, device=DEVICE)
    total, unit = fused_module.accumulator(torch.full_like(x, -3.0), x)
    assert total.dtype is torch.int64
    assert unit.item() == 2.0**34  # 3 lies below 2^2, and that is 2^36 units


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # numpy's word
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_stays_none(bad, unwritten_memory_is_nan):
    case = CASES[0]
    maps = inputs(case)
    out = run(case, maps, "triton")
    received = torch.ones_like(out)
    received[0, 0, 0, 0] = bad
    out.backward(received)
    assert not maps[0].grad.isfinite().all()


@pytest.mark.parametrize("needed", [(True, False), (False, True)], ids=["x", "offset"])
@pytest.mark.parametrize("case", CASES[12:14], ids=lambda case: case.why)
def test_takes_one_gradient_alone(case, needed):
    maps = inputs(case)
    for value, need in zip(maps[:2], needed, strict=True):
        value.requires_grad_(need)
    out = run(case, maps, "triton")
    received = torch.randn(out.shape).to(out)
    out.backward(received)
    _, gradients = exact(case, maps, received)
    for value, gradient, need in zip(maps[:2], gradients[:2], needed, strict=True):
        assert (value.grad is not None) is need
        if need:
            assert_rounded(value.grad, gradient, case.dtype, "gradient")


def test_takes_a_gradient_that_is_one_number_everywhere():
    case = CASES[0]
    maps = inputs(case)
    run(case, maps, "triton").sum().backward()
    _, gradients = exact(case, maps, torch.ones(2, 4, 6, 10))
    assert_rounded(maps[0].grad, gradients[0], FLOAT, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_reads_no_pixel_off_the_map(value):
    case = CASES[0]
    maps = inputs(case)
    with torch.no_grad():
        maps[1].fill_(value)
    out = run(case, maps, "triton").detach()
    corner = -1 if value > 0 else 0
    expected = maps[0].detach()[:, :, corner, corner]
    torch.testing.assert_close(out, expected[..., None, None].expand_as(out), rtol=0, atol=0)


def test_takes_the_slope_to_the_right_where_a_position_is_a_pixel():
    # As fresh weights and an odd scale have it: the middle sub-pixel is the pixel.
    case = Case("zero offsets", (1, 2, 3, 4), 3, 1)
    maps = inputs(case)
    with torch.no_grad():
        maps[1].zero_()
    check(case, maps)


def test_keeps_sub_pixel_precision_at_a_width_of_1920():
    # Absolute positions in float32 are multiples of 1/8192 there, half of which times the slope
    # of this map is 1e-4 and more.
    case = Case("wide", (1, 1, 1, 1920), 1, 1)
    maps = inputs(case)
    with torch.no_grad():
        maps[0].copy_(torch.arange(1920) % 2 * 2.0 - 1)
        maps[1].copy_(torch.rand(1, 2, 1, 1920))
    out = run(case, maps, "triton").detach()
    expected, _ = exact(case, maps, torch.ones(1, 1, 1, 1920))
    torch.testing.assert_close(out.double().cpu(), expected, rtol=0, atol=1e-6)


def test_indices_of_64_bits_agree(monkeypatch):
    monkeypatch.setattr(fused_module, "needs_long", lambda *_: True)
    check(CASES[1], inputs(CASES[1]))


def test_splits_channels_over_programs_where_there_are_few(monkeypatch):
    shares = []
    kept = fused_module.channels_a_program

    def seen(*sizes: int) -> int:
        shares.append(kept(*sizes))
        return shares[-1]

    monkeypatch.setattr(fused_module, "channels_a_program", seen)
    check(CASES[12], inputs(CASES[12]))
    assert shares == [8]  # of 20 channels


# Raw offsets of up to 8 are rounded to within 2^-9 and 2^-6, which after the factor of about a
# half meets slopes of up to 4 along both axes; and so are x and the weights, with as much again.
GOLDEN_TOLERANCE = {FLOAT: 2e-5, HALF: 2.0**-6, BRAIN: 2.0**-3}


@pytest.mark.parametrize("dtype", [FLOAT, HALF, BRAIN], ids=str)
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("dysample_lp_g4_static_x2", "contiguous"),
        ("dysample_pl_g8_dyn_x2", LAST),
    ],
)
def test_gives_the_authors_numbers(name, layout, dtype):
    case = load_golden(name)
    words = {"scale_factor": "scale"}
    arguments = {words.get(key, key): value for key, value in case.meta["ctor"].items()}
    module = DySample(**arguments)
    module.load_state_dict(case.state_dict())
    module.to(DEVICE, dtype)
    x = case.input("x", dtype, layout).to(DEVICE)
    # TensorFloat-32 would round the convolution's inputs to 2^-11.
    with implementation("triton"), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        out = module(x)
    expected = case.tensor("out")
    torch.testing.assert_close(
        out.detach().float().cpu(), expected, rtol=0, atol=GOLDEN_TOLERANCE[dtype]
    )


def test_traces_as_one_operator():
    case = CASES[0]
    maps = inputs(case)
    compiled = torch.compile(
        lambda *given: run(case, [*given, None], "triton"), fullgraph=True, backend="aot_eager"
    )
    out = compiled(*maps[:2])
    torch.testing.assert_close(out, run(case, maps, "triton"), rtol=0, atol=0)
    out.sum().backward()
    _, gradients = exact(case, maps, torch.ones(2, 4, 6, 10))
    assert_rounded(maps[0].grad, gradients[0], FLOAT, "x")


def test_shapes_and_strides_are_as_announced():
    case = CASES[1]
    maps = [m.detach() for m in inputs(case)]
    settings = (case.scale, case.groups, case.style)
    received = torch.randn_like(run(case, maps, "triton"))
    operators = torch.ops.dysample
    for operator, arguments in (
        (operators.offset_sample, (*maps, *settings, "triton")),
        (operators.offset_sample_backward, (received, *maps, *settings, [True] * 3, "triton")),
    ):
        announced = ("test_schema", "test_faketensor")
        torch.library.opcheck(operator.default, arguments, test_utils=announced)
