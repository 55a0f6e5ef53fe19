"""`reassemble` and `affinity`: definition, versions, gradients, registration and errors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dysample.ops import affinity, implementation, reassemble
from dysample.ops.affinity.naive import affinity_naive
from dysample.ops.reassemble.naive import reassemble_naive
from tests.golden_cases import LAYOUTS, golden_names, load_golden

# n, c, h, w, scale, k, groups
SHAPES = [
    (2, 8, 5, 7, 2, 5, 1),  # odd sizes
    (1, 6, 4, 3, 3, 3, 2),
    (2, 12, 1, 2, 2, 5, 4),  # a map smaller than the window's reach
    (1, 4, 3, 8, 1, 3, 1),  # no upsampling
    (1, 130, 3, 2, 2, 3, 2),  # more channels than are transposed at a time
    (2, 3, 2, 2, 4, 7, 1),  # no tap lies on the map at the window's ends
    (1, 4, 3, 3, 2, 1, 2),  # one tap
    (3, 2, 4, 4, 2, 3, 2),  # one channel in a group
]
FAST = ["torch", "gather", None]
# Sums of up to 100 products of order 1: float64 and float32 round 1e-16 and 1e-7 of them; half
# precision rounds the result, of order 5, once.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


def maps(shape, dtype=torch.float64, layout="contiguous"):
    n, c, h, w, scale, side, groups = shape
    sizes = [
        (n, c, h, w),
        (n, groups * side**2, scale * h, scale * w),
        (n, c, scale * h, scale * w),
    ]
    return [
        torch.randn(size).to(dtype).contiguous(memory_format=LAYOUTS[layout]).requires_grad_()
        for size in sizes
    ]


def with_gradients(call, inputs, cotangent):
    out = call(*inputs)
    return out, *torch.autograd.grad(out, inputs, cotangent.to(out.dtype))


def assert_same(found, expected, dtype):
    for value, exact in zip(found, expected, strict=True):
        assert value.dtype is dtype
        scale = max(1.0, exact.abs().max().item() / 5)
        error = (value.double() - exact).abs().max().item()
        assert error <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize("name", golden_names("op_carafe_"))
@pytest.mark.parametrize("choice", ["naive", *FAST])
def test_reassemble_gives_the_golden_numbers(name, choice):
    case = load_golden(name)
    x, mask = case.input("x", torch.float64), case.input("mask", torch.float64)
    groups = case.meta["ctor"]["group_size"]
    out = reassemble(x, mask, groups=groups, implementation=choice)
    assert torch.allclose(out, case.tensor("out64"), rtol=0, atol=1e-10)
    out.backward(case.tensor("r", torch.float64))
    for key, grad in (("x", x.grad), ("mask", mask.grad)):
        expected = case.tensor(f"grad.in.{key}", torch.float64)
        assert torch.allclose(grad, expected, rtol=0, atol=1e-5 * (1e-3 + expected.abs().max()))


@pytest.mark.parametrize("name", golden_names("op_sapa_qk_"))
@pytest.mark.parametrize("choice", ["naive", *FAST])
def test_affinity_gives_the_golden_numbers(name, choice):
    case = load_golden(name)
    q, k = case.input("q", torch.float64), case.input("k", torch.float64)
    out = affinity(q, k, kernel_size=case.meta["ctor"]["kernel_size"], implementation=choice)
    assert torch.allclose(out, case.tensor("out64"), rtol=0, atol=1e-10)
    out.backward(case.tensor("r", torch.float64))
    for key, grad in (("q", q.grad), ("k", k.grad)):
        expected = case.tensor(f"grad.in.{key}", torch.float64)
        assert torch.allclose(grad, expected, rtol=0, atol=1e-5 * (1e-3 + expected.abs().max()))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("choice", FAST)
@pytest.mark.usefixtures("unwritten_memory_is_nan")
def test_reassemble_is_its_definition(choice, shape, layout, dtype):
    x, kernels, like = maps(shape, dtype, layout)
    groups, cotangent = shape[-1], torch.randn(like.shape)
    found = with_gradients(
        lambda a, b: reassemble(a, b, groups=groups, implementation=choice),
        (x, kernels),
        cotangent.to(dtype),
    )
    expected = with_gradients(
        lambda a, b: reassemble_naive(a, b, groups),
        (x.double(), kernels.double()),
        cotangent.to(dtype),
    )
    assert found[0].is_contiguous(memory_format=LAYOUTS[layout])
    assert_same(found, expected, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("choice", FAST)
@pytest.mark.usefixtures("unwritten_memory_is_nan")
def test_affinity_is_its_definition(choice, shape, layout, dtype):
    key, kernels, query = maps((*shape[:-1], 1), dtype, layout)
    side, cotangent = shape[5], torch.randn(kernels.shape)
    found = with_gradients(
        lambda a, b: affinity(a, b, kernel_size=side, implementation=choice),
        (query, key),
        cotangent.to(dtype),
    )
    expected = with_gradients(
        lambda a, b: affinity_naive(a, b, side), (query.double(), key.double()), cotangent.to(dtype)
    )
    assert found[0].is_contiguous(memory_format=LAYOUTS[layout])
    assert_same(found, expected, dtype)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize("choice", FAST)
def test_gradcheck(choice, shape):
    x, kernels, query = maps(shape)
    groups, side = shape[-1], shape[5]
    torch.autograd.gradcheck(
        lambda a, b: reassemble(a, b, groups=groups, implementation=choice),
        (x, kernels),
        fast_mode=True,
    )
    torch.autograd.gradcheck(
        lambda a, b: affinity(a, b, kernel_size=side, implementation=choice),
        (query, x),
        fast_mode=True,
    )


def test_the_operators_are_registered_as_torch_asks():
    operators = torch.ops.dysample
    for layout in LAYOUTS:
        x, kernels, query = maps(SHAPES[1], layout=layout)
        torch.library.opcheck(operators.reassemble.default, (x, kernels, 2, "auto"))
        torch.library.opcheck(operators.affinity.default, (query, x, 3, "auto"))


def test_the_backward_operators_are_registered_as_torch_asks():
    operators = torch.ops.dysample
    x, kernels, query = (value.detach() for value in maps(SHAPES[1], layout="channels_last"))
    arguments = (query, x, kernels, 2, "auto", [True, True])
    torch.library.opcheck(operators.reassemble_backward.default, arguments)
    arguments = (kernels[:, :9], query, x, "auto", [True, False])
    torch.library.opcheck(operators.affinity_backward.default, arguments)


def test_only_the_gradients_that_are_needed_are_made():
    x, kernels, _ = maps(SHAPES[0])
    reassemble(x, kernels.detach()).sum().backward()
    reassemble(x.detach(), kernels).sum().backward()
    assert x.grad is not None
    assert kernels.grad is not None


def test_there_is_no_second_derivative_but_of_the_definition():
    x, kernels, _ = maps(SHAPES[0])
    (gradient,) = torch.autograd.grad(reassemble(x, kernels).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        gradient.sum().backward()
    out = reassemble(x, kernels, implementation="naive").sum()
    (gradient,) = torch.autograd.grad(out, x, create_graph=True)
    gradient.sum().backward()
    assert kernels.grad is not None


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_sees_one_operator_and_the_numbers_stay():
    x, kernels, _ = (value.detach() for value in maps(SHAPES[0], torch.float32))
    traced = torch.jit.trace(lambda a, b: reassemble(a, b), (x, kernels))
    kinds = [node.kind() for node in traced.graph.nodes()]
    assert kinds.count("dysample::reassemble") == 1
    assert not any(kind in kinds for kind in ("aten::embedding_bag", "aten::addcmul_", "aten::mul"))
    assert torch.equal(traced(x, kernels), reassemble(x, kernels))


def test_an_exported_program_holds_torch_operators_alone():
    class Chain(torch.nn.Module):
        def forward(self, x, guide):
            return reassemble(x, affinity(guide, x, kernel_size=3).softmax(1))

    x, guide = torch.randn(1, 4, 5, 6), torch.randn(1, 4, 10, 12)
    program = torch.export.export(Chain(), (x, guide), strict=False)
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("dysample" in target for target in targets)
    assert torch.allclose(program.module()(x, guide), Chain()(x, guide), atol=1e-5)


def test_no_copies_of_the_windows_are_kept():
    """The map and the result dominate: 25 copies of either would show at once."""
    x, kernels, _ = (v.detach() for v in maps((1, 64, 16, 16, 2, 5, 1), torch.float32))
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.untyped_storage().nbytes())
            return out

    for choice in ("torch", "gather"):
        with Watch():
            out = reassemble(x, kernels, implementation=choice)
        assert largest <= out.untyped_storage().nbytes()


@settings(max_examples=40, deadline=None)
@given(
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    scale=st.integers(1, 3),
    side=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 2**16),
)
def test_convex_weights_stay_within_the_range_of_map_and_zero(h, w, scale, side, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 2, h, w, generator=generator)
    kernels = torch.randn(1, side**2, scale * h, scale * w, generator=generator).softmax(1)
    out = reassemble(x, kernels)
    assert out.max() <= x.max().clamp_min(0) + 1e-5
    assert out.min() >= x.min().clamp_max(0) - 1e-5


def test_the_choice_by_context_is_honoured_and_checked():
    x, kernels, query = maps(SHAPES[0])
    with implementation("torch"):
        assert torch.allclose(reassemble(x, kernels), reassemble_naive(x, kernels))
    with implementation("best"), pytest.raises(ValueError, match=r"`implementation` \(='best'\)"):
        reassemble(x, kernels)
    with pytest.raises(ValueError, match=r"cannot run reassemble here: it needs the CPU"):
        reassemble(x.to("meta"), kernels.to("meta"), implementation="gather")
    with pytest.raises(ValueError, match=r"cannot run affinity here: it needs the CPU"):
        affinity(query.to("meta"), x.to("meta"), kernel_size=5, implementation="gather")


def test_kernels_of_another_dtype_are_cast_and_get_gradients_in_their_own():
    x, kernels, _ = maps(SHAPES[0], torch.bfloat16)
    wide = kernels.detach().float().requires_grad_()
    out = reassemble(x, wide)
    assert out.dtype is torch.bfloat16
    out.sum().backward()
    assert wide.grad.dtype is torch.float32


@pytest.mark.parametrize(
    ("x", "kernels", "groups", "message"),
    [
        (
            (1, 4, 3, 3),
            (1, 24, 6, 6),
            1,
            r"`kernels` \(=24 channels\) must have groups · k² channels",
        ),
        ((1, 4, 3, 3), (1, 16, 6, 6), 1, r"an odd k"),
        ((1, 4, 3, 3), (1, 25, 6, 6), 2, r"for `groups` \(=2\)"),
        ((1, 5, 3, 3), (1, 18, 6, 6), 2, r"`channels of x` \(=5\) must be divisible by `groups`"),
        ((1, 4, 3, 3), (1, 9, 6, 9), 1, r"the same whole number of times as high and as wide"),
        ((1, 4, 3, 3), (1, 9, 7, 7), 1, r"`kernels` \(shape \(1, 9, 7, 7\)\) must be"),
        ((1, 4, 3, 3), (2, 9, 6, 6), 1, r"must have the batch size of `x` \(=1\)"),
        ((4, 3, 3), (1, 9, 6, 6), 1, r"`x` \(shape \(4, 3, 3\)\) must have 4 dimensions"),
        ((1, 4, 0, 3), (1, 9, 0, 6), 1, r"must have at least one pixel"),
        ((1, 4, 3, 3), (1, 9, 6, 6), 0, r"`groups` \(=0\) must be at least 1"),
    ],
)
def test_kernels_that_do_not_fit_are_named(x, kernels, groups, message):
    with pytest.raises(ValueError, match=message):
        reassemble(torch.zeros(x), torch.zeros(kernels), groups=groups)


@pytest.mark.parametrize(
    ("query", "key", "side", "message"),
    [
        ((1, 4, 6, 6), (1, 5, 3, 3), 3, r"`query` .* must have 5 channels"),
        ((1, 4, 6, 6), (1, 4, 3, 3), 4, r"`kernel_size` \(=4\) must be odd"),
        ((1, 4, 6, 5), (1, 4, 3, 3), 3, r"`query` .* must be the same whole number of times"),
    ],
)
def test_queries_that_do_not_fit_are_named(query, key, side, message):
    with pytest.raises(ValueError, match=message):
        affinity(torch.zeros(query), torch.zeros(key), kernel_size=side)


@pytest.mark.parametrize("choice", FAST[:1] + FAST[2:])
def test_an_empty_batch(choice):
    out = reassemble(torch.zeros(0, 4, 3, 3), torch.zeros(0, 9, 6, 6), implementation=choice)
    assert out.shape == (0, 4, 6, 6)
    logits = affinity(
        torch.zeros(0, 4, 6, 6), torch.zeros(0, 4, 3, 3), kernel_size=3, implementation=choice
    )
    assert logits.shape == (0, 9, 6, 6)
