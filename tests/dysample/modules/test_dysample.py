"""DySample as a drop-in for the reference class: checkpoints, devices, dtypes, errors."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dybench.measure.memory import measure
from dybench.reference import ReferenceDySample
from dysample import DySample
from tests.golden_cases import LAYOUTS, load_golden


def trained(*args, **options):
    """A DySample whose weights are no longer those of the start."""
    module = DySample(*args, **options)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.mark.parametrize("dyscope", [False, True])
@pytest.mark.parametrize("style", ["lp", "pl"])
def test_a_saved_one_loads_in_the_reference_and_back(style, dyscope):
    ours = trained(16, 2, style, 4, dyscope)
    reference = ReferenceDySample(16, 2, style, 4, dyscope)
    reference.load_state_dict(ours.state_dict(), strict=True)
    assert list(reference.state_dict()) == list(ours.state_dict())
    assert torch.equal(reference.init_pos, ours.init_pos)
    x = torch.randn(2, 16, 5, 7)
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=1e-5)
    back = DySample(16, 2, style, 4, dyscope)
    back.load_state_dict(reference.state_dict(), strict=True)
    assert torch.equal(back(x), ours(x))


def test_a_scope_with_a_bias_is_adopted_and_one_without_drops_it():
    case = load_golden("dysample_scopebias_lp_g4_dyn_x2")
    with_bias = case.state_dict()
    model = nn.Sequential(nn.Identity(), DySample(16, dyscope=True))
    prefixed = {f"1.{key}": value for key, value in with_bias.items()}
    model.load_state_dict(prefixed, strict=True)
    assert torch.equal(model[1].scope.bias, with_bias["scope.bias"])
    assert model[1].scope.bias.requires_grad
    assert set(model.state_dict()) == set(prefixed)
    del prefixed["1.scope.bias"]
    model.load_state_dict(prefixed, strict=True)
    assert model[1].scope.bias is None
    assert set(model.state_dict()) == set(prefixed)


def test_a_state_without_the_scope_leaves_its_bias_alone():
    module = DySample(16, dyscope=True)
    module.load_state_dict(load_golden("dysample_scopebias_lp_g4_dyn_x2").state_dict())
    bias = module.scope.bias
    partial = {f"offset.{key}": value for key, value in module.offset.state_dict().items()}
    missing = module.load_state_dict(partial, strict=False).missing_keys
    assert missing == ["scope.weight", "scope.bias"]
    assert module.scope.bias is bias


def test_an_adopted_bias_is_as_frozen_as_the_weight():
    module = DySample(16, dyscope=True).requires_grad_(False)
    module.load_state_dict(load_golden("dysample_scopebias_lp_g4_dyn_x2").state_dict())
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_module_made_on_meta_takes_a_checkpoint():
    state = trained(16, dyscope=True).state_dict()
    for given in (state, {key: value for key, value in state.items() if key != "init_pos"}):
        with torch.device("meta"):
            module = DySample(16, dyscope=True)
            module.load_state_dict(given, assign=True)
        assert not module.init_pos.is_meta
        assert torch.equal(module.init_pos, state["init_pos"])


def test_init_pos_may_be_missing_but_a_weight_may_not():
    module = DySample(16, dyscope=True)
    state = trained(16, dyscope=True).state_dict()
    expected = state.pop("init_pos")
    module.init_pos.fill_(torch.nan)
    module.load_state_dict(state, strict=True)
    assert torch.equal(module.init_pos, expected)
    del state["scope.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*scope\.weight"):
        module.load_state_dict(state, strict=True)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*other"):
        DySample(16).load_state_dict(DySample(16).state_dict() | {"other": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"Missing key.*offset\.weight"):
        DySample(16).load_state_dict({}, strict=True)


def test_the_start():
    module = DySample(64, 3, groups=8, dyscope=True)
    weight = module.offset.weight
    assert 0.0009 < weight.std().item() < 0.0011
    assert module.offset.bias.abs().max() == 0
    assert module.scope.weight.abs().max() == 0
    assert module.scope.bias is None
    assert module.init_pos.dtype is torch.float32
    x, y = module.init_pos.view(2, 8, 3, 3)
    third = torch.tensor([-1 / 3, 0, 1 / 3])
    assert torch.equal(x, third.expand(8, 3, 3))
    assert torch.equal(y, third.view(3, 1).expand(8, 3, 3))


@pytest.mark.parametrize("style", ["lp", "pl"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_zero_offsets_are_bilinear_interpolation(scale, style):
    module = DySample(144, scale, style, 4, dyscope=True)
    nn.init.zeros_(module.offset.weight)
    x = torch.randn(1, 144, 4, 5)
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("style", ["lp", "pl"])
def test_from_the_meta_device(style):
    with torch.device("meta"):
        module = DySample(16, 2, style, 4, dyscope=True)
    assert module(torch.empty(1, 16, 4, 4, device="meta")).shape == (1, 16, 8, 8)
    module.to_empty(device="cpu")
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data.fill_(torch.nan)
    module.reset_parameters()
    assert torch.equal(module.init_pos, DySample(16, 2, style, 4).init_pos)
    x = torch.randn(1, 16, 4, 4)
    torch.testing.assert_close(
        module(x), F.interpolate(x, scale_factor=2.0, mode="bilinear"), rtol=0, atol=0.02
    )  # the start is nearly bilinear
    state = trained(16, 2, style, 4, dyscope=True).state_dict()
    for assign in (False, True):
        with torch.device("meta"):
            module = DySample(16, 2, style, 4, dyscope=True)
        if not assign:
            module.to_empty(device="cpu")
        partly = {key: value for key, value in state.items() if key != "init_pos"}
        module.load_state_dict(partly, strict=True, assign=assign)
        assert {key: value.tolist() for key, value in module.state_dict().items()} == {
            key: value.tolist() for key, value in state.items()
        }


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("style", ["lp", "pl"])
def test_half_precision_on_a_wide_map(style, dtype, layout):
    module = trained(8, 2, style, 4).to(dtype)
    x = torch.randn(1, 8, 3, 700, dtype=dtype).contiguous(memory_format=LAYOUTS[layout])
    out = module(x)
    assert out.dtype is dtype
    assert out.is_contiguous(memory_format=LAYOUTS[layout])
    # The same offsets, rounded to the dtype, read in float64: what is left is the last rounding.
    source = F.pixel_shuffle(x, 2) if style == "pl" else x
    exact = DySample(8, 2, style, 4).double()
    exact.offset.forward = lambda _: module.offset(source).double()
    bound = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), exact(x.double()), rtol=bound, atol=bound)


@pytest.mark.parametrize("style", ["lp", "pl"])
def test_autocast_gives_the_dtype_of_the_map_back(style):
    module = trained(16, 2, style, 4, dyscope=True)
    x = torch.randn(1, 16, 4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(x)
    assert out.dtype is torch.float32
    out.sum().backward()
    assert module.scope.weight.grad.dtype is torch.float32
    torch.testing.assert_close(out, module(x), rtol=0, atol=0.2)  # offsets have 8 bits there


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("style", ["lp", "pl"])
def test_an_empty_batch(style, layout):
    module = DySample(16, 2, style, 4, dyscope=True)
    x = torch.empty(0, 16, 4, 6, memory_format=LAYOUTS[layout], requires_grad=True)
    out = module(x)
    assert out.shape == (0, 16, 8, 12)
    out.sum().backward()
    assert module.offset.weight.grad.abs().max() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inference_takes_a_quarter_of_the_output_beside_it_at_most(layout):
    module = trained(256)
    x = torch.randn(1, 256, 40, 40).contiguous(memory_format=LAYOUTS[layout])
    with torch.no_grad():
        output = module(x).nbytes
        peak = measure(lambda: module(x), torch.device("cpu")).peak
    assert output < peak <= 1.25 * output


def test_it_copies_and_pickles():
    module = trained(16, dyscope=True)
    x = torch.randn(1, 16, 3, 4)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        other.load_state_dict(module.state_dict(), strict=True)
        assert torch.equal(other(x), module(x))
    assert repr(module).startswith("DySample(\n  16, scale=2, style='lp', groups=4, dyscope=True")


@pytest.mark.parametrize("style", ["lp", "pl"])
def test_compile_without_a_break_and_with_sizes_that_vary(style):
    module = trained(16, 2, style, 4, dyscope=True)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=True)
    for shape in ((2, 16, 4, 6), (3, 16, 5, 7)):
        for layout in LAYOUTS.values():
            x = torch.randn(shape).contiguous(memory_format=layout).requires_grad_()
            out = compiled(x)
            torch.testing.assert_close(out, module(x))
            assert out.is_contiguous(memory_format=layout)
            (found,) = torch.autograd.grad(out.square().sum(), x)
            (expected,) = torch.autograd.grad(module(x).square().sum(), x)
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((30, 2, "lp", 4), ValueError, "`in_channels` (=30) must be divisible by `groups` (=4)"),
        ((2, 2, "lp", 4), ValueError, "`in_channels` (=2) must be divisible by `groups` (=4)"),
        ((30, 2, "pl", 2), ValueError, "`in_channels` (=30) must be divisible by `scale²` (=4)"),
        ((16, 0), ValueError, "`scale` (=0) must be at least 1"),
        ((16, -2), ValueError, "`scale` (=-2) must be at least 1"),
        ((16, 2.0), TypeError, "`scale` (=2.0) must be an integer, not float"),
        ((16, "2"), TypeError, "`scale` (='2') must be an integer, not str"),
        ((16, True), TypeError, "`scale` (=True) must be an integer, not bool"),
        ((16, 2, "LP"), ValueError, "`style` (='LP') must be one of 'lp', 'pl'"),
        ((16, 2, "lp", 0), ValueError, "`groups` (=0) must be at least 1"),
        ((0,), ValueError, "`in_channels` (=0) must be at least 1"),
    ],
)
def test_wrong_arguments(args, error, message):
    with pytest.raises(error) as raised:
        DySample(*args)
    assert str(raised.value) == message


def test_wrong_maps():
    module = DySample(16)
    with pytest.raises(ValueError, match=r"^`x` \(shape \(16, 4, 4\)\) must have 4 dimensions"):
        module(torch.zeros(16, 4, 4))
    with pytest.raises(ValueError, match=r"^`x` \(shape \(1, 8, 4, 4\)\) must have 16 channels$"):
        module(torch.zeros(1, 8, 4, 4))
