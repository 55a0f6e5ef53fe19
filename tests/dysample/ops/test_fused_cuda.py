"""What only a CUDA device can show of the Triton kernels; everything here is skipped without one.

The comparisons with the definitions are in `fused/`, and run on the device as well where it is.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from dysample import DySample, build_upsampler
from dysample.ops import implementation, offset_sample
from dysample.ops.point_sample import fused
from tests.golden_cases import LAYOUTS, golden_names, load_golden
from tests.triton_device import on_cuda

pytestmark = on_cuda
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
# As in fused/test_offset_sample.py: what rounding raw offsets, x and weights to the dtype costs.
GOLDEN_TOLERANCE = {torch.float32: 2e-5, torch.float16: 2.0**-6, torch.bfloat16: 2.0**-3}
both_layouts = pytest.mark.parametrize("layout", LAYOUTS)


def trained(channels: int = 32, dtype: torch.dtype = torch.float32, **options: object) -> DySample:
    """Return a DySample whose offsets are spread as a trained model's."""
    module = DySample(channels, **options)
    torch.nn.init.normal_(module.offset.weight, std=2 / channels**0.5)
    return module.to("cuda", dtype)


def random_map(
    shape: tuple[int, ...], layout: str, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    x = torch.randn(shape, device="cuda", dtype=dtype)
    return x.contiguous(memory_format=LAYOUTS[layout])


def test_cuda_tensors_take_the_kernels_unasked(monkeypatch):
    calls = []
    kept = fused.offset_sample_fused
    monkeypatch.setattr(
        fused, "offset_sample_fused", lambda *given: calls.append(given) or kept(*given)
    )
    trained()(random_map((1, 32, 5, 7), "contiguous"))
    assert len(calls) == 1


@both_layouts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", golden_names("dysample_"))
def test_gives_the_authors_numbers(name, dtype, layout):
    case = load_golden(name)
    words = {"scale_factor": "scale"}
    module = DySample(**{words.get(k, k): v for k, v in case.meta["ctor"].items()})
    module.load_state_dict(case.state_dict())
    x = case.input("x", dtype, layout).detach().cuda()
    with implementation("triton"), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        out = module.to("cuda", dtype)(x)
    torch.testing.assert_close(
        out.detach().float().cpu(), case.tensor("out"), rtol=0, atol=GOLDEN_TOLERANCE[dtype]
    )


@both_layouts
def test_opcheck(layout):
    x = random_map((2, 8, 4, 5), layout).requires_grad_()
    offset = random_map((2, 32, 4, 5), layout).requires_grad_()
    kernels = random_map((2, 9, 8, 10), layout).requires_grad_()
    query = random_map((2, 8, 8, 10), layout).requires_grad_()
    positions = (4 * torch.rand(2, 2, 2, 3, 8, 10, device="cuda")).requires_grad_()
    weights = torch.rand(2, 2, 3, 8, 10, device="cuda").requires_grad_()
    operators = torch.ops.dysample
    for operator, arguments in (
        (operators.point_sample, (x, positions, weights, "zeros", "auto")),
        (operators.offset_sample, (x, offset, offset.detach(), 2, 4, "lp", "auto")),
        (operators.reassemble, (x, kernels, 1, "auto")),
        (operators.affinity, (query, x, 3, "auto")),
    ):
        torch.library.opcheck(operator.default, arguments)


@both_layouts
@pytest.mark.parametrize("name", ["dysample+", "dysample-s", "carafe", "sapa-b", "sapa-d"])
def test_a_captured_graph_replays(name, layout):
    module = build_upsampler(name, 64).cuda().eval()
    maps = [random_map((1, 64, 12, 20), layout)]
    if module.guided:
        maps.append(random_map((1, 64, 24, 40), layout))
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            module(*maps)  # compiles, which a capture must not
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = module(*maps)
        for value in maps:
            value.copy_(torch.randn_like(value))
        graph.replay()
        torch.testing.assert_close(out, module(*maps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_captured_training_step_replays(deterministic):
    torch.use_deterministic_algorithms(deterministic)
    try:
        x = random_map((1, 8, 12, 20), "contiguous").requires_grad_()
        offset = random_map((1, 32, 12, 20), "contiguous").requires_grad_()

        def step() -> tuple[torch.Tensor, ...]:
            out = offset_sample(x, offset, scale=2, groups=4, style="lp")
            return torch.autograd.grad(out.square().sum(), (x, offset))

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            gradients = step()
        graph.replay()
        torch.testing.assert_close(gradients, step(), rtol=1e-4, atol=1e-4)
    finally:
        torch.use_deterministic_algorithms(False)


@both_layouts
def test_compiles_in_one_graph_for_all_sizes(layout):
    module = trained(dyscope=True)
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for size in ((1, 32, 8, 12), (2, 32, 9, 7), (3, 32, 16, 16)):
            x = random_map(size, layout).requires_grad_()
            out = compiled(x)
            (gradient,) = torch.autograd.grad(out.square().sum(), x)
            expected = module(x)
            (expected_gradient,) = torch.autograd.grad(expected.square().sum(), x)
            torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-3)


@both_layouts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_deterministic_gradients_repeat_to_the_bit(dtype, layout):
    x = random_map((2, 32, 24, 24), layout, dtype).requires_grad_()
    # Far offsets: hundreds of shares meet in a pixel of the border, in any order.
    offset = (100 * random_map((2, 32, 24, 24), layout, dtype)).requires_grad_()
    received = random_map((2, 32, 48, 48), layout, dtype)

    def gradients() -> tuple[torch.Tensor, ...]:
        out = offset_sample(x, offset, scale=2, groups=4, style="lp")
        return torch.autograd.grad(out, (x, offset), received)

    torch.use_deterministic_algorithms(True)
    try:
        first = gradients()
        for _ in range(10):
            assert all(map(torch.equal, gradients(), first))
    finally:
        torch.use_deterministic_algorithms(False)
    for free, fixed in zip(gradients(), first, strict=True):
        tolerance = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
        scale = fixed.abs().max().item()
        torch.testing.assert_close(free, fixed, rtol=0, atol=tolerance * (1 + scale))


@both_layouts
def test_autocast_gives_the_dtype_of_the_map_back(layout):
    module = trained()
    x = random_map((1, 32, 5, 7), layout)
    with torch.autocast("cuda", torch.float16):
        out = module(x)
    assert out.dtype is torch.float32
    assert out.is_contiguous(memory_format=LAYOUTS[layout])


@both_layouts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_takes_little_memory_beside_the_result(dtype, layout):
    module = trained(256, dtype).eval()
    x = random_map((1, 256, 120, 120), layout, dtype)
    with torch.no_grad():
        module(x)  # workspaces
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        out = module(x)
        torch.cuda.synchronize()
    above = torch.cuda.max_memory_allocated() - before - out.nbytes
    assert above <= out.nbytes // 4


def test_reads_and_writes_beyond_2_to_the_31():
    size = 11586  # 4 · (2 · 11586)² is just above 2^31
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free memory")
    x = torch.randn(1, 4, size, size, device="cuda", dtype=torch.float16)
    offset = torch.zeros(1, 8, size, size, device="cuda", dtype=torch.float16)
    out = offset_sample(x, offset, scale=2, groups=1, style="lp")
    assert out.numel() >= 2**31
    expected = F.interpolate(x[..., -6:, -6:].float(), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(
        out[..., -8:, -8:].float(), expected[..., -8:, -8:], rtol=0, atol=2.0**-8
    )
