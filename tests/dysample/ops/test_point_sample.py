"""Point sampling: every implementation against the definition, forward and every gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from dysample.ops import implementation, offset_sample, point_sample
from dysample.ops.point_sample import gather, places, positions
from dysample.ops.point_sample.dispatch import Reading, choose
from tests.golden_cases import LAYOUTS

# Rounding of the result to its dtype, for maps of order 1 of which at most 4 × 3 taps are summed;
# the half formats are computed in float32.
TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.bfloat16: 3e-2,
    torch.float16: 4e-3,
}
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in TOLERANCE}
FAST = ("torch", "gather")
# (N, C, H, W), scale, groups, style; and why.
OFFSET_CASES = {
    "odd_lp": ((2, 8, 5, 7), 2, 2, "lp"),  # neither side even, two images
    "scale_3": ((1, 16, 7, 3), 3, 4, "lp"),  # a start of exactly 0, and a third in float32
    "scale_1": ((1, 4, 4, 6), 1, 4, "lp"),  # one channel a group, no sub-pixels
    "one_row": ((2, 4, 1, 5), 2, 1, "lp"),  # no neighbour below
    "one_pixel": ((1, 8, 1, 1), 2, 8, "pl"),  # no neighbour at all
    "pl_3": ((3, 36, 4, 5), 3, 4, "pl"),  # three images, as many channels as scale² × groups
}


def offset_arguments(name, dtype, layout, dyscope):
    shape, scale, groups, style = OFFSET_CASES[name]
    n, _, h, w = shape
    if style == "lp":
        form = (n, 2 * groups * scale**2, h, w)
    else:
        form = (n, 2 * groups, h * scale, w * scale)
    # Not by `contiguous`, which leaves a map of one pixel as it is.
    x = torch.empty(shape, dtype=dtype, memory_format=LAYOUTS[layout]).normal_()
    offset = torch.randn(form, dtype=dtype) * 4  # of σ = 1 pixel: many leave the map
    scope = torch.randn(form, dtype=dtype) if dyscope else None
    return [x, offset, scope], {"scale": scale, "groups": groups, "style": style}


def positions_on(shape, dtype):
    """Positions from 2 pixels outside a map of 5 × 6 to 2 outside, none on a pixel's centre."""
    at = torch.rand(shape, dtype=torch.float64) * 0.98 + 0.01 + torch.randint(-2, 6, shape)
    return at.to(dtype)


def values_and_gradients(operator, tensors, name, **options):
    leaves = [t if t is None else t.detach().clone().requires_grad_() for t in tensors]
    out = operator(*leaves, **options, implementation=name)
    cotangent = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * cotangent.to(out.dtype)).sum().backward()
    return out.detach(), [leaf.grad for leaf in leaves if leaf is not None]


@pytest.mark.parametrize("dyscope", [False, True], ids=["static", "dyscope"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", OFFSET_CASES)
@pytest.mark.parametrize("fast", FAST)
def test_offset_sample_is_the_definition(fast, case, dtype, layout, dyscope):
    dtype = DTYPES[dtype]
    tensors, options = offset_arguments(case, dtype, layout, dyscope)
    expected = offset_sample(*tensors, **options, implementation="naive")
    out = offset_sample(*tensors, **options, implementation=fast)
    assert out.dtype is dtype
    assert out.is_contiguous(memory_format=LAYOUTS[layout])
    torch.testing.assert_close(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dyscope", [False, True], ids=["static", "dyscope"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", OFFSET_CASES)
@pytest.mark.parametrize("fast", FAST)
def test_offset_sample_of_a_map_too_large_to_keep_anything_for(
    fast, case, dtype, layout, dyscope, monkeypatch
):
    monkeypatch.setattr(positions, "_KEPT_OFFSETS", 0)
    monkeypatch.setattr(places, "_KEPT_PIXELS", 0)
    monkeypatch.setattr(gather, "_KEPT_TAPS", 0)
    dtype = DTYPES[dtype]
    tensors, options = offset_arguments(case, dtype, layout, dyscope)
    expected = offset_sample(*tensors, **options, implementation="naive")
    out = offset_sample(*tensors, **options, implementation=fast)
    torch.testing.assert_close(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("case", OFFSET_CASES)
@pytest.mark.parametrize("fast", FAST)
def test_offset_sample_has_the_gradients_of_the_definition(fast, case, dtype, layout):
    dtype = DTYPES[dtype]
    tensors, options = offset_arguments(case, dtype, layout, dyscope=True)
    expected = values_and_gradients(offset_sample, tensors, "naive", **options)[1]
    found = values_and_gradients(offset_sample, tensors, fast, **options)[1]
    for gradient, wanted, tensor in zip(found, expected, tensors, strict=True):
        assert gradient.dtype is dtype
        assert gradient.shape == tensor.shape
        # A gradient sums as many products as channels or readers of a pixel: up to some dozens.
        tolerance = TOLERANCE[dtype] * 10 * max(1.0, wanted.abs().max().item())
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("padding", ["border", "zeros"])
@pytest.mark.parametrize("points", [None, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fast", FAST)
def test_point_sample_is_the_definition(fast, dtype, layout, points, padding):
    dtype = DTYPES[dtype]
    exact = torch.float64 if dtype is torch.float64 else torch.float32
    x = torch.randn(2, 8, 5, 6, dtype=dtype).contiguous(memory_format=LAYOUTS[layout])
    spread = () if points is None else (points,)
    tensors = [x, positions_on((2, 2, 4, *spread, 7, 9), exact)]
    tensors += [] if points is None else [torch.randn(2, 4, points, 7, 9, dtype=dtype)]
    expected, wanted = values_and_gradients(point_sample, tensors, "naive", padding=padding)
    out, gradients = values_and_gradients(point_sample, tensors, fast, padding=padding)
    tolerance = 10 * TOLERANCE[dtype]
    torch.testing.assert_close(out, expected, rtol=0, atol=tolerance)
    for gradient, of_definition in zip(gradients, wanted, strict=True):
        bound = tolerance * max(1.0, of_definition.abs().max().item())
        torch.testing.assert_close(gradient, of_definition, rtol=0, atol=bound)


@pytest.mark.parametrize("fast", ["auto", *FAST])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_gradients_asked_for(layout, fast):
    tensors, options = offset_arguments("odd_lp", torch.float64, layout, dyscope=True)
    everything = values_and_gradients(offset_sample, tensors, fast, **options)[1]
    for asked in range(3):
        leaves = [tensor.detach().clone() for tensor in tensors]
        leaves[asked].requires_grad_()
        out = offset_sample(*leaves, **options, implementation=fast)
        cotangent = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        (out * cotangent.to(out.dtype)).sum().backward()
        torch.testing.assert_close(leaves[asked].grad, everything[asked], rtol=0, atol=1e-12)


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("asked", range(3))
def test_only_the_gradients_of_weighted_points_asked_for(asked, fast):
    tensors = [torch.randn(1, 8, 5, 6), torch.rand(1, 2, 2, 3, 4, 4) * 6]
    tensors += [torch.randn(1, 2, 3, 4, 4)]
    everything = values_and_gradients(point_sample, tensors, fast, padding="zeros")[1]
    tensors[asked].requires_grad_()
    out = point_sample(*tensors, padding="zeros", implementation=fast)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(tensors[asked].grad, everything[asked])


def test_what_runs_by_itself():
    x = torch.zeros(1, 128, 6, 6)
    rows = x.contiguous(memory_format=torch.channels_last)
    one, many = Reading(4, 144), Reading(4, 144, points=9, padding="zeros")
    assert choose("auto", "point_sample", x, one) == "torch"
    assert choose("auto", "point_sample", rows, one) == "gather"
    assert choose("auto", "point_sample", x, many) == "gather"
    assert choose("auto", "point_sample", rows, one._replace(backward=True)) == "gather"
    assert choose("auto", "point_sample", rows, Reading(8, 144, backward=True)) == "torch"
    assert choose("auto", "point_sample", rows.to("meta"), one) == "torch"
    assert choose("auto", "point_sample", rows[:, :, :1], many) == "torch"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradcheck(layout):
    tensors, options = offset_arguments("pl_3", torch.float64, layout, dyscope=True)
    leaves = [tensor[:1].detach().requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(
        lambda *args: offset_sample(*args, **options), leaves, fast_mode=True
    )
    x = torch.randn(1, 4, 5, 6, dtype=torch.float64).contiguous(memory_format=LAYOUTS[layout])
    positions = positions_on((1, 2, 2, 3, 3, 4), torch.float64)
    weights = torch.randn(1, 2, 3, 3, 4, dtype=torch.float64)
    leaves = [tensor.requires_grad_() for tensor in (x, positions, weights)]
    assert torch.autograd.gradcheck(
        lambda *args: point_sample(*args, padding="zeros"), leaves, fast_mode=True
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_opcheck(layout):
    (x, offset, scope), _ = offset_arguments("odd_lp", torch.float32, layout, dyscope=True)
    leaves = [tensor.requires_grad_() for tensor in (x, offset, scope)]
    opcheck(torch.ops.dysample.offset_sample.default, (*leaves, 2, 2, "lp", "auto"))
    weights = torch.randn(2, 2, 3, 7, 9, requires_grad=True)
    positions = positions_on((2, 2, 2, 3, 7, 9), torch.float32).requires_grad_()
    operator = torch.ops.dysample.point_sample.default
    opcheck(operator, (x, positions, weights, "zeros", "auto"))
    opcheck(operator, (x, positions[:, :, :, 0].detach(), None, "border", "auto"))


@pytest.mark.usefixtures("unwritten_memory_is_nan")
@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_element_is_written(layout, fast):
    tensors, options = offset_arguments("odd_lp", torch.float32, layout, dyscope=True)
    out, gradients = values_and_gradients(offset_sample, tensors, fast, **options)
    for value in (out, *gradients):
        assert value.isfinite().all()


@pytest.mark.parametrize("fast", FAST)
def test_a_clamped_coordinate_gets_no_gradient(fast):
    x = torch.arange(12.0).view(1, 1, 3, 4).contiguous(memory_format=torch.channels_last)
    positions = torch.tensor([[-3.0, 1.5], [9.0, 1.5], [1.5, -0.5], [1.5, 1.5]])
    positions = positions.t().reshape(1, 2, 1, 1, 4).clone().requires_grad_()
    point_sample(x, positions, implementation=fast).sum().backward()
    across, down = positions.grad.view(2, 4)
    torch.testing.assert_close(across, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(down, torch.tensor([4.0, 4.0, 0.0, 4.0]))


@pytest.mark.parametrize("points", [None, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_zeros_padding_on_whole_pixels_slopes_to_the_right(layout, points):
    """SAPA-D starts with every position on a pixel's centre, where two slopes meet."""
    x = torch.randn(1, 4, 5, 6, dtype=torch.float64).contiguous(memory_format=LAYOUTS[layout])
    spread = () if points is None else (points,)
    positions = torch.randint(-2, 8, (1, 2, 2, *spread, 9, 9)).double()
    tensors = [x, positions, *([] if points is None else [torch.randn(1, 2, points, 9, 9)])]
    found = values_and_gradients(point_sample, tensors, "gather", padding="zeros")[1]
    # `F.grid_sample` rounds positions to the grid of −1 to 1 and back: it sees some of these on
    # the other side of the centre.
    ahead = values_and_gradients(
        point_sample, [x, positions + 1e-9, *tensors[2:]], "torch", padding="zeros"
    )[1]
    assert ahead[1].abs().max() > 0.1
    torch.testing.assert_close(found[1], ahead[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("fast", ["naive", *FAST])
def test_an_empty_batch(fast):
    x, offset = torch.randn(0, 8, 5, 6), torch.randn(0, 32, 5, 6)
    options = {"scale": 2, "groups": 4, "style": "lp"}
    if fast == "gather":
        with pytest.raises(ValueError, match="at least one element"):
            offset_sample(x, offset, **options, implementation=fast)
    else:
        out = offset_sample(x, offset, **options, implementation=fast)
        assert out.shape == (0, 8, 10, 12)


def test_offsets_that_are_no_number_stay_in_their_pixel():
    x = torch.randn(1, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    offset = torch.zeros(1, 8, 6, 6)
    clean = offset_sample(x, offset, scale=2, groups=1, style="lp")
    offset[0, 0, 2, 3] = torch.nan
    offset[0, 1, 4, 4] = torch.inf
    out = offset_sample(x, offset, scale=2, groups=1, style="lp", implementation="gather")
    different = (out != clean).any(1)
    assert different.nonzero().tolist() == [[0, 4, 6], [0, 8, 9]]
    assert out[0, :, 4, 6].isnan().all()
    torch.testing.assert_close(out[0, :, 8, 9], 0.25 * x[0, :, 3, 5] + 0.75 * x[0, :, 4, 5])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["naive", *FAST])
def test_zero_offsets_are_bilinear_interpolation(name, layout, scale):
    x = torch.randn(2, 8, 5, 7).contiguous(memory_format=LAYOUTS[layout])
    offset = torch.zeros(2, 8 * scale**2, 5, 7)
    out = offset_sample(x, offset, scale=scale, groups=4, style="lp", implementation=name)
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    # The start of a sub-pixel of scale 3 is a third rounded to float32.
    torch.testing.assert_close(out, expected, rtol=0, atol=3e-6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    groups=st.sampled_from([1, 2, 4]),
    spread=st.floats(0, 50),
    seed=st.integers(0, 2**16),
    channels_last=st.booleans(),
)
def test_an_output_lies_in_the_range_of_its_channel(
    height, width, groups, spread, seed, channels_last
):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 4, height, width, generator=random, dtype=torch.float64)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    offset = torch.randn(1, 8 * groups, height, width, generator=random, dtype=torch.float64)
    out = offset_sample(x, offset * spread, scale=2, groups=groups, style="lp")
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    assert (out >= low - 1e-12).all()
    assert (out <= high + 1e-12).all()


@pytest.mark.parametrize("name", FAST)
def test_views_that_are_not_contiguous(name):
    (x, offset, scope), options = offset_arguments("odd_lp", torch.float32, "contiguous", True)
    expected = offset_sample(x, offset, scope, **options, implementation="naive")
    wide = torch.stack((x, x), -1)[..., 0]
    turned = offset.transpose(2, 3).contiguous().transpose(2, 3)
    out = offset_sample(wide, turned, scope.flip(1).flip(1), **options, implementation=name)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    part = torch.cat((x, x), 1).contiguous(memory_format=torch.channels_last)[:, 8:]
    out = offset_sample(part, offset, scope, **options, implementation=name)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["naive", *FAST])
def test_a_default_device_does_not_divert_it(name):
    tensors, options = offset_arguments("odd_lp", torch.float32, "channels_last", dyscope=True)
    expected, gradients = values_and_gradients(offset_sample, tensors, name, **options)
    leaves = [tensor.requires_grad_() for tensor in tensors]
    with torch.device("meta"):
        out = offset_sample(*leaves, **options, implementation=name)
        cotangent = torch.ones_like(out)
        out.backward(cotangent)
    torch.testing.assert_close(out, expected)
    assert [leaf.grad.device.type for leaf in leaves] == ["cpu"] * len(gradients)


@pytest.mark.parametrize("kept", [True, False])
def test_what_inference_mode_computed_first_serves_training(kept, monkeypatch):
    if not kept:  # by the ways of larger maps, which keep something else
        monkeypatch.setattr(positions, "_KEPT_OFFSETS", 0)
    (x, offset, _), options = offset_arguments("odd_lp", torch.float32, "channels_last", False)
    wide = offset.repeat(1, 1, 1, 3)
    with torch.inference_mode():
        x = x.repeat(1, 1, 1, 3)
        offset_sample(x, wide, **options)
    wide.requires_grad_()
    offset_sample(x.clone(), wide, **options).sum().backward()
    assert wide.grad.isfinite().all()


def test_the_context_forces_an_implementation_and_restores():
    tensors, options = offset_arguments("odd_lp", torch.float32, "channels_last", dyscope=False)

    def operators():
        with torch.profiler.profile() as profile:
            offset_sample(*tensors, **options)
        return {event.name for event in profile.events()}

    assert "aten::embedding_bag" in operators()
    with implementation("torch"):
        with implementation("gather"):
            assert "aten::embedding_bag" in operators()
        names = operators()
        assert "aten::embedding_bag" not in names
        assert "aten::grid_sampler" in names
    with pytest.raises(RuntimeError, match="stop"), implementation("torch"):
        raise RuntimeError("stop")
    assert "aten::embedding_bag" in operators()


def test_a_trace_sees_one_operator_on_the_meta_device():
    tensors, options = offset_arguments("odd_lp", torch.float32, "contiguous", dyscope=False)
    x, offset = (tensor.to("meta") for tensor in tensors[:2])
    out = offset_sample(x, offset, **options)
    assert out.is_meta
    assert out.shape == (2, 8, 10, 14)
    graph = torch.fx.experimental.proxy_tensor.make_fx(
        lambda a, b: offset_sample(a, b, **options), tracing_mode="fake"
    )(*tensors[:2]).graph
    called = [node.target for node in graph.nodes if node.op == "call_function"]
    assert called == [torch.ops.dysample.offset_sample.default]


def test_a_second_derivative_is_refused_and_the_definition_has_one():
    tensors, options = offset_arguments("odd_lp", torch.float64, "contiguous", dyscope=True)
    leaves = [tensor.requires_grad_() for tensor in tensors]
    out = offset_sample(*leaves, **options)
    (gradient,) = torch.autograd.grad(out.square().sum(), leaves[1], create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        gradient.sum().backward()
    out = offset_sample(*leaves, **options, implementation="naive")
    (gradient,) = torch.autograd.grad(out.square().sum(), leaves[1], create_graph=True)
    gradient.sum().backward()
    assert leaves[0].grad.abs().sum() > 0


def test_half_positions_keep_their_sub_pixel_far_from_the_edge():
    # Position 1919.75 is 1920 in float16 and bfloat16; in float32 it is off by 1e-4 at most.
    width = 2000
    for dtype in (torch.float16, torch.bfloat16):
        x = (torch.arange(width) % 2).view(1, 1, 1, width).to(dtype)
        for layout in LAYOUTS.values():
            for name in FAST:
                maps = x.repeat(1, 2, 2, 1).contiguous(memory_format=layout)
                offset = torch.zeros(1, 8, 2, width, dtype=dtype)
                out = offset_sample(
                    maps, offset, scale=2, groups=1, style="lp", implementation=name
                )
                inner = out[0, 0, 0, 1:-1].view(-1, 2)
                expected = torch.tensor([[0.25, 0.75], [0.75, 0.25]], dtype=dtype)
                expected = expected.repeat(width // 2, 1)[: len(inner)]
                torch.testing.assert_close(inner, expected, rtol=0, atol=5e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(8, 5, 6)}, r"`x` \(shape \(8, 5, 6\)\) must have 4 dimensions"),
        ({"style": "lpp"}, r"`style` \(='lpp'\) must be one of 'lp', 'pl'"),
        ({"groups": 3}, r"must be divisible by `groups` \(=3\)"),
        (
            {"offset": torch.zeros(1, 16, 5, 6)},
            r"`offset` \(shape \(1, 16, 5, 6\)\) must have shape \(1, 32, 5, 6\)",
        ),
        (
            {"scope": torch.zeros(1, 32, 5, 5)},
            r"`scope` \(shape \(1, 32, 5, 5\)\) must have shape \(1, 32, 5, 6\)",
        ),
        ({"implementation": "fastest"}, r"`implementation` \(='fastest'\) must be one of 'auto'"),
    ],
)
def test_wrong_arguments_of_offset_sample(change, message):
    options = {"x": torch.zeros(1, 8, 5, 6), "offset": torch.zeros(1, 32, 5, 6)}
    options |= {"scale": 2, "groups": 4, "style": "lp"}
    offset_sample(**options)
    with pytest.raises(ValueError, match=message):
        offset_sample(**(options | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": torch.zeros(1, 3, 2, 4, 4)}, r"must have shape \(N, 2, G, Ho, Wo\)"),
        ({"positions": torch.zeros(2, 2, 2, 4, 4)}, r"for `x` \(shape \(1, 8, 5, 6\)\)"),
        ({"positions": torch.zeros(1, 2, 3, 4, 4)}, r"must be divisible by `groups` \(=3\)"),
        ({"weights": torch.zeros(1, 2, 3, 4, 4)}, r"must have shape \(N, 2, G, P, Ho, Wo\)"),
        (
            {"padding": "reflection"},
            r"`padding` \(='reflection'\) must be one of 'border', 'zeros'",
        ),
    ],
)
def test_wrong_arguments_of_point_sample(change, message):
    options = {"x": torch.zeros(1, 8, 5, 6), "positions": torch.zeros(1, 2, 2, 4, 4)}
    point_sample(**options)
    with pytest.raises(ValueError, match=message):
        point_sample(**(options | change))


def test_gather_says_why_it_cannot_run():
    x, positions = torch.zeros(1, 8, 1, 6), torch.zeros(1, 2, 2, 4, 4)
    with pytest.raises(ValueError, match=r"cannot run point_sample here: .*at least 2 × 2 pixels"):
        point_sample(x, positions, padding="zeros", implementation="gather")
    with pytest.raises(ValueError, match="cannot run point_sample here: it needs a CPU tensor"):
        choose("gather", "point_sample", x.to("meta"), Reading(2, 16))
    with pytest.raises(ValueError, match="it numbers rows and taps in 32 bits"):
        choose("gather", "point_sample", x, Reading(2, 2**28))
