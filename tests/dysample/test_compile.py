"""torch.compile, torch.export and autocast take every upsampler, at every size."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from torch import nn

from dysample import UPSAMPLERS, build_upsampler

CHANNELS = 32
DYNAMIC = torch.export.Dim.DYNAMIC
VARIES = {0: DYNAMIC, 2: DYNAMIC, 3: DYNAMIC}
# Small, for the time that tracing takes.
OPTIONS = {
    "carafe": {"up_kernel": 3, "compressed_channels": 4},
    "fade": {"up_kernel": 3},
    "fade-lite": {"up_kernel": 3},
    "sapa-i": {"up_kernel": 3},
    "sapa-b": {"up_kernel": 3, "embedding_dim": 4},
    "sapa-d": {"num_points": 2, "embedding_dim": 4},
}
CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
)

# One of each way to sample: the rest share their operators, and exporting takes seconds.
EXPORTED = (
    "bilinear",
    "carafe",
    "indexnet",
    "fade-lite",
    "sapa-d",
    "dysample",
    "dysample-s+",
)


class Pyramid(nn.Module):
    """One step of a feature pyramid: the sizes of the laterals are what they are."""

    def __init__(self):
        super().__init__()
        self.up = upsampler("dysample")

    def forward(self, x, lateral):
        return self.up(x, size=lateral.shape[2:]) + lateral


def upsampler(name):
    module = build_upsampler(name, CHANNELS, **OPTIONS.get(name, {}))
    for part in ("offset", "scope"):
        if name.startswith("dysample") and hasattr(module, part):
            nn.init.normal_(getattr(module, part).weight)
    return module


def inputs(name, n, height, width, **kwargs):
    sizes = [(height, width)]
    if UPSAMPLERS[name].guided:
        sizes.append((2 * height, 2 * width))
    return [torch.randn(n, CHANNELS, *size, **kwargs) for size in sizes]


@pytest.fixture(autouse=True)
def _no_graphs_left():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_one_graph_serves_every_size(name):
    """No break in it (`fullgraph`), and no second one: not for size, batch or aspect."""
    module = upsampler(name)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")
    for number, size in enumerate([(2, 5, 6), (3, 6, 4), (4, 9, 7), (2, 3, 12), (5, 8, 2)]):
        args = inputs(name, *size)
        with torch.compiler.set_stance("fail_on_recompile" if number else "default"):
            found = compiled(*args)
        torch.testing.assert_close(found, module(*args), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dysample", "dysample-s+", "carafe"])
def test_automatic_dynamic_shapes_settle(name):
    """Without being told, torch compiles once for a size, once for all, and once for a batch of 1.

    torch takes 0 and 1 for constants, and nothing that we do changes that.
    """
    module = upsampler(name)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for size in [(2, 5, 6), (3, 7, 4), (1, 5, 6), (1, 4, 7)]:
        compiled(*inputs(name, *size))
    with torch.compiler.set_stance("fail_on_recompile"):
        for size in [(4, 9, 7), (1, 8, 9), (2, 3, 12), (1, 6, 5)]:
            args = inputs(name, *size)
            torch.testing.assert_close(compiled(*args), module(*args), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dysample", "dysample-s+", "carafe"])
def test_training_compiles_into_one_graph(name):
    module = upsampler(name)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for number, size in enumerate([(2, 5, 6), (3, 4, 9)]):
        args = inputs(name, *size, requires_grad=True)
        with torch.compiler.set_stance("fail_on_recompile" if number else "default"):
            found = compiled(*args)
        leaves = [*args, *module.parameters()]
        received = torch.randn_like(found)
        expected = torch.autograd.grad(module(*args), leaves, received)
        for one, other in zip(torch.autograd.grad(found, leaves, received), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_a_graph_break_or_a_recompilation_would_fail_these_tests():
    def breaks(x):
        torch._dynamo.graph_break()
        return x + 1

    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(breaks, fullgraph=True, backend="eager")(torch.zeros(2))
    static = torch.compile(lambda x: x + 1, dynamic=False, backend="eager")
    static(torch.zeros(2))
    with torch.compiler.set_stance("fail_on_recompile"), pytest.raises(RuntimeError):
        static(torch.zeros(3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own parts
def test_inductor_equals_eager():
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("no C++ compiler, which inductor needs")
    module = upsampler("dysample")
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    for size in [(2, 5, 6), (3, 7, 4)]:
        (x,) = inputs("dysample", *size)
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_program_equals_eager_at_every_size(name):
    module = upsampler(name).eval()
    args = tuple(inputs(name, 2, 5, 6))
    program = torch.export.export(
        module, args, dynamic_shapes=tuple(VARIES for _ in args), strict=False
    )
    with torch.no_grad():
        for size in [(2, 5, 6), (3, 7, 4)]:
            args = inputs(name, *size)
            found = program.module()(*args)
            torch.testing.assert_close(found, module(*args), rtol=0, atol=1e-5)


def test_an_exported_program_holds_torch_operators_only():
    """So it can be loaded where this package is not installed."""
    module = upsampler("dysample+").eval()
    program = torch.export.export(module, tuple(inputs("dysample+", 2, 4, 4)), strict=False)
    named = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert any("grid_sampler" in name for name in named)
    assert not any("dysample" in name for name in named)


def test_a_pyramid_compiles_and_exports_once_for_all_sizes():
    module = Pyramid().eval()
    shapes = [((5, 6), (9, 12)), ((4, 7), (8, 14)), ((6, 4), (12, 7)), ((3, 5), (5, 9))]
    pairs = [(torch.randn(2, CHANNELS, *x), torch.randn(2, CHANNELS, *y)) for x, y in shapes]
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")
    program = torch.export.export(module, pairs[1], dynamic_shapes=(VARIES, VARIES), strict=False)
    with torch.no_grad():
        for number, pair in enumerate(pairs):
            expected = module(*pair)
            torch.testing.assert_close(program.module()(*pair), expected, rtol=0, atol=1e-5)
            with torch.compiler.set_stance("fail_on_recompile" if number else "default"):
                torch.testing.assert_close(compiled(*pair), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("name", UPSAMPLERS)
def test_autocast_gives_the_dtype_of_x(name, device):
    """In float32 as in half precision, and the gradients of the parameters in float32."""
    module = upsampler(name).to(device)
    half = torch.bfloat16 if device == "cpu" else torch.float16
    for dtype in (torch.float32, half):
        args = [x.to(device, dtype).requires_grad_() for x in inputs(name, 2, 4, 5)]
        with torch.autocast(device, dtype=half):
            out = module(*args)
        assert out.dtype is dtype
        assert out.shape == (2, CHANNELS, 8, 10)
        out.float().square().mean().backward()
        assert args[0].grad.dtype is dtype
    assert all(p.grad.dtype is torch.float32 for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["dysample", "carafe"])
def test_autocast_compiles(name):
    module = upsampler(name)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    (x,) = inputs(name, 2, 4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = compiled(x), module(x)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", UPSAMPLERS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_target_size_crops_or_resamples(name, layout):
    module = upsampler(name).eval()
    args = [x.contiguous(memory_format=layout) for x in inputs(name, 2, 4, 5)]
    with torch.no_grad():
        whole = module(*args)
        cropped = module(*args, size=(7, 9))
        larger = module(*args, size=(9, 9))
        same = module(*args, size=(8, 10))
    torch.testing.assert_close(cropped, whole[:, :, :7, :9], rtol=0, atol=0)
    assert cropped.is_contiguous(memory_format=layout)
    resampled = nn.functional.interpolate(whole, size=(9, 9), mode="bilinear")
    torch.testing.assert_close(larger, resampled, rtol=0, atol=0)
    torch.testing.assert_close(same, whole, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ((0, 4), ValueError, r"`size\[0\]` \(=0\) must be at least 1"),
        ((4, 2.5), TypeError, r"`size\[1\]` \(=2.5\) must be an integer"),
        ((4, 4, 4), ValueError, r"`size` \(=\(4, 4, 4\)\) must be \(height, width\)"),
        (4, TypeError, r"`size` \(=4\) must be \(height, width\)"),
    ],
)
def test_a_target_size_that_is_none_is_named(size, error, message):
    with pytest.raises(error, match=message):
        upsampler("dysample")(torch.zeros(1, CHANNELS, 2, 2), size=size)
