"""The upsamplers that DySample is compared with, against the authors' numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import dysample
from dysample import A2U, CARAFE, FADE, SAPAB, SAPAD, SAPAI, FADELite, IndexNet
from dysample.modules import a2u
from tests.golden_cases import (
    LAYOUTS,
    check_gradients,
    check_output,
    golden_names,
    load_golden,
    parameter_counts,
)

# The authors' names of arguments, and ours.
RENAMED = {
    "up_kernel_size": "up_kernel",
    "num_point": "num_points",
    "use_context": "context",
    "use_nonlinear": "nonlinear",
}
SIZES = ("channels", "in_channels", "inp", "in_channels_en", "in_channels_de", "dim_x", "dim_y")
VARIANTS = {
    "HolisticIndexBlock": "hin",
    "DepthwiseM2OIndexBlock": "m2o",
    "DepthwiseO2OIndexBlock": "o2o",
}
CLASSES = {
    "CARAFEPack": CARAFE,
    "A2UUp": A2U,
    "FADE": FADE,
    "FADELite": FADELite,
    "SAPA": SAPAB,
    "SAPADeform": SAPAD,
} | dict.fromkeys(VARIANTS, IndexNet)
NAMES = golden_names("carafe_", "indexnet_", "a2u_", "fade_", "sapa_", "sapadeform_")
WITH_GRADIENTS = [name for name in NAMES if load_golden(name).has_gradients]
GUIDED = {
    "indexnet": {},
    "a2u": {},
    "fade": {},
    "fade-lite": {},
    "sapa-i": {},
    "sapa-b": {},
    "sapa-d": {},
}
COMPARED = ["carafe", *GUIDED]


def build(case):
    """Build our module of a golden case, with the authors' weights."""
    ctor = dict(case.meta["ctor"])
    cls = CLASSES[case.meta["cls"]]
    scale = ctor.pop("scale_factor", 2)
    options = {RENAMED.get(key, key): value for key, value in ctor.items() if key not in SIZES}
    if case.meta["cls"] in VARIANTS:
        options["variant"] = VARIANTS[case.meta["cls"]]
    if cls is FADE or cls is FADELite:
        options.setdefault("gating", False)
    if cls.guided:
        options["guide_channels"] = case.arrays["in.guide"].shape[1]
    module = cls(case.arrays["in.x"].shape[1], scale, **options)
    module.load_state_dict(case.state_dict(), strict=True)
    return module


def inputs_of(case):
    return ("x", "guide") if "guide" in case.meta["call"] else ("x",)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_the_authors(name, dtype, layout):
    case = load_golden(name)
    check_output(build(case), case, dtype, layout, inputs_of(case))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_gradients_are_the_authors(name, layout):
    case = load_golden(name)
    check_gradients(build(case), case, layout, inputs_of(case))


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_has_the_keys_of_the_authors(name):
    case = load_golden(name)
    assert set(build(case).state_dict()) == set(case.state_dict())


@pytest.mark.parametrize("implementation", ["naive", "torch"])
@pytest.mark.parametrize("name", ["carafe_1_c12_x2", "sapa_4_cy32_x3", "sapadeform_3_cy8_x3"])
def test_every_implementation_gives_the_numbers_of_the_authors(name, implementation):
    case = load_golden(name)
    with dysample.ops.implementation(implementation):
        check_output(build(case), case, torch.float64, "contiguous", inputs_of(case))


def test_index_net_loads_the_keys_of_its_wrapper():
    case = load_golden("indexnet_hin_x2")
    module = build(case)
    wrapped = {f"index_net.{key}": value for key, value in case.state_dict().items()}
    outer = nn.ModuleDict({"up": IndexNet(6, guide_channels=8)})
    outer.load_state_dict({f"up.{key}": value for key, value in wrapped.items()}, strict=True)
    x, guide = case.tensor("in.x"), case.tensor("in.guide")
    assert torch.equal(outer["up"].eval()(x, guide), module.eval()(x, guide))
    assert set(outer["up"].state_dict()) == set(case.state_dict())


@pytest.mark.parametrize(
    ("row", "name", "options"),
    [
        ("carafe", "carafe", {}),
        ("indexnet_hin", "indexnet", {}),
        ("indexnet_m2o_nonlinear_context", "indexnet", {"variant": "m2o"}),
        (
            "indexnet_m2o_linear_k2",
            "indexnet",
            {"variant": "m2o", "nonlinear": False, "context": False},
        ),
        ("indexnet_o2o_nonlinear_context", "indexnet", {"variant": "o2o"}),
        ("a2u", "a2u", {}),
        ("fade_gate", "fade", {}),
        ("fade_nogate", "fade", {"gating": False}),
        ("fadelite_gate", "fade-lite", {}),
        ("fadelite_nogate", "fade-lite", {"gating": False}),
        ("sapa_b", "sapa-b", {}),
        ("sapa_d", "sapa-d", {}),
    ],
)
def test_parameters_are_as_many_as_the_authors(row, name, options):
    built = 0
    for expected in parameter_counts(row):
        channels, scale = expected["channels"], expected["scale"]
        if channels % 32 and name in ("a2u", "sapa-b"):
            continue  # their norms have 32 groups
        module = dysample.build_upsampler(name, channels, scale, **options)
        values = list(module.parameters())
        assert sum(value.numel() for value in values) == expected["params"]
        weights = sum(value.numel() for value in values if value.dim() > 1)
        assert weights == expected["params_weights_only"]
        built += 1
    assert built


def test_sapa_i_has_no_parameters():
    assert not list(SAPAI(30).parameters())


@pytest.mark.parametrize("scale", [2, 3])
def test_a_map_of_ones_is_attenuated_at_the_border(scale):
    module = CARAFE(4, scale)
    for value in module.parameters():
        nn.init.zeros_(value)  # uniform kernels
    out = module(torch.ones(1, 4, 6, 7))
    assert torch.allclose(
        out[:, :, 2 * scale : -2 * scale, 2 * scale : -2 * scale], out.new_ones(())
    )
    corners = out[:, :, :: 6 * scale - 1, :: 7 * scale - 1]
    assert torch.allclose(corners, out.new_full((), 0.36))
    edge = out[:, :, :scale, 2 * scale : -2 * scale]
    assert torch.allclose(edge, out.new_full((), 0.6))


def test_sapa_i_is_the_softmax_of_inner_products():
    x, guide = torch.randn(1, 3, 5, 4), torch.randn(1, 3, 10, 8)
    out = SAPAI(3, up_kernel=3)(x, guide)
    # Pixel (5, 2) lies in low-resolution pixel (2, 1), well inside.
    window = x[0, :, 1:4, 0:3].reshape(3, 9)
    weights = (guide[0, :, 5, 2] @ window).softmax(0)
    assert torch.allclose(out[0, :, 5, 2], window @ weights, atol=1e-6)


def test_sapa_d_begins_as_the_nearest_pixel():
    module = SAPAD(8)
    nn.init.zeros_(module.offset.weight)
    x = torch.randn(2, 8, 3, 4)
    nearest = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(module(x, torch.randn(2, 8, 6, 8)), nearest, atol=1e-6)


def make(name, channels=32, scale=2, *, n=2, h=4, w=5, dtype=torch.float32, fmt="contiguous"):
    module = dysample.build_upsampler(name, channels, scale).to(dtype)
    maps = [torch.randn(n, channels, h, w, dtype=dtype)]
    if module.guided:
        maps.append(torch.randn(n, channels, scale * h, scale * w, dtype=dtype))
    return module, [value.contiguous(memory_format=LAYOUTS[fmt]) for value in maps]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", COMPARED)
def test_half_precision_keeps_dtype_and_layout(name, dtype, layout):
    module, maps = make(name, dtype=dtype, fmt=layout)
    with torch.no_grad():
        out = module(*maps)
        exact = module.double()(*(value.double() for value in maps))
    assert out.dtype is dtype
    assert out.shape == (2, 32, 8, 10)
    assert out.is_contiguous(memory_format=LAYOUTS[layout])
    # Every step rounds once to 8 (11) bits; maps are of order 1, SAPA-I's logits of order 10.
    tolerance = (0.25 if name == "sapa-i" else 0.1) * (1 if dtype is torch.bfloat16 else 1 / 8)
    assert torch.allclose(out.double(), exact, atol=tolerance)


@pytest.mark.parametrize("name", COMPARED)
def test_an_empty_batch_stays_empty(name):
    module, maps = make(name, n=0)
    maps = [value.requires_grad_() for value in maps]
    out = module.eval()(*maps)
    assert out.shape == (0, 32, 8, 10)
    out.sum().backward()
    assert all(value.grad is None or value.grad.shape == value.shape for value in maps)
    assert maps[0].grad is not None


@pytest.mark.parametrize("name", COMPARED)
def test_meta_tensors_give_shapes(name):
    module, maps = make(name)
    out = module.to("meta")(*(value.to("meta") for value in maps))
    assert out.shape == (2, 32, 8, 10)


@pytest.mark.parametrize("name", COMPARED)
def test_a_size_crops(name):
    module, maps = make(name)
    module.eval()
    assert torch.equal(module(*maps, size=(7, 9)), module(*maps)[:, :, :7, :9])


@pytest.mark.parametrize("name", COMPARED)
def test_autocast_trains(name):
    module, maps = make(name)
    maps[0].requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = module(*maps)
    assert out.dtype is torch.float32
    out.sum().backward()
    assert all(value.grad is not None for value in (maps[0], *module.parameters()))


@pytest.mark.parametrize("name", GUIDED)
def test_a_guide_of_the_wrong_size_is_told_the_right_one(name):
    module, (x, guide) = make(name)
    with pytest.raises(
        ValueError, match=r"`guide` \(shape \(2, 32, 8, 9\)\) must have shape \(2, 32, 8, 10\)"
    ):
        module(x, guide[..., :9])
    with pytest.raises(ValueError, match=r"`guide` .* must have 32 channels"):
        module(x, guide[:, :8])
    with pytest.raises(ValueError, match=r"`x` .* must have 32 channels"):
        module(x[:, :8], guide)


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        (CARAFE, {"in_channels": 8, "up_kernel": 4}, r"`up_kernel` \(=4\) must be odd"),
        (CARAFE, {"in_channels": 8, "encoder_kernel": 2}, r"`encoder_kernel` \(=2\) must be odd"),
        (
            CARAFE,
            {"in_channels": 8, "up_group": 3},
            r"`in_channels` \(=8\) must be divisible by `up_group` \(=3\)",
        ),
        (IndexNet, {"in_channels": 8, "scale": 4}, r"`scale` \(=4\) must be one of 2"),
        (IndexNet, {"in_channels": 8, "variant": "x"}, r"`variant` \(='x'\) must be one of 'hin'"),
        (
            IndexNet,
            {"in_channels": 8, "variant": "o2o", "guide_channels": 4},
            r"`guide_channels` \(=4\) must equal `in_channels` \(=8\) where `variant` is 'o2o'",
        ),
        (A2U, {"in_channels": 64, "scale": 3}, r"`scale` \(=3\) must be one of 2"),
        (
            A2U,
            {"in_channels": 30},
            r"`in_channels` \(=30\) must be divisible by `groups of the norm` \(=32\)",
        ),
        (FADE, {"in_channels": 8, "scale": 3}, r"`scale` \(=3\) must be one of 2"),
        (
            FADE,
            {"in_channels": 8, "guide_channels": 4},
            r"`guide_channels` \(=4\) must equal `in_channels` \(=8\) with `gating`",
        ),
        (
            SAPAI,
            {"in_channels": 8, "guide_channels": 4},
            r"`guide_channels` \(=4\) must equal `in_channels` \(=8\): there is no projection",
        ),
        (
            SAPAB,
            {"in_channels": 64, "guide_channels": 40},
            r"`guide_channels` \(=40\) must be divisible by `groups of the norm` \(=32\)",
        ),
        (SAPAB, {"in_channels": 64, "embedding_dim": 0}, r"`embedding_dim` \(=0\) must be at"),
        (
            SAPAD,
            {"in_channels": 30},
            r"`in_channels` \(=30\) must be divisible by `groups` \(=4\)",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(**arguments)


def test_norms_are_optional_in_sapa_b():
    assert SAPAB(40, norm=False)(torch.randn(1, 40, 2, 2), torch.randn(1, 40, 4, 4)).shape[1] == 40


@pytest.mark.parametrize("name", COMPARED)
def test_a_compiler_sees_one_graph(name):
    module, maps = make(name, dtype=torch.float64)
    module.eval()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(*maps), module(*maps), atol=1e-10)


@pytest.mark.parametrize("name", COMPARED)
def test_an_exported_program_needs_torch_alone(name):
    module, maps = make(name, n=1)
    program = torch.export.export(module.eval(), tuple(maps), strict=False)
    assert not any("dysample" in str(node.target) for node in program.graph.nodes)
    assert torch.allclose(program.module()(*maps), module(*maps), atol=1e-5)


def test_carafe_at_inference_holds_less_than_twice_its_output():
    module, (x,) = make("carafe", 256, n=1, h=24, w=24)
    for value in (x, x.contiguous(memory_format=torch.channels_last)):
        with torch.inference_mode():
            out = module(value)
            assert peak_bytes(lambda value=value: module(value)) < 2 * out.nbytes


def peak_bytes(call):
    """Return the most that torch's CPU allocator held during a call, above what it held before."""
    activity = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert peak > 0
    return peak


@pytest.mark.parametrize(("height", "width"), [(12, 6), (4, 10), (7, 23)])
def test_a2u_pools_the_same_bins_in_an_exported_graph(monkeypatch, height, width):
    pool = A2U(32).kernel_gen.bconv_U[0]
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    expected = pool(x)
    monkeypatch.setattr(a2u, "inline", lambda: True)
    assert torch.allclose(pool(x), expected, atol=1e-12)
    assert expected.shape == (2, 3, 6, 6)


def test_an_exported_a2u_is_right_at_other_sizes():
    module, maps = make("a2u", n=1)
    h, w = torch.export.Dim("h", min=2, max=64), torch.export.Dim("w", min=2, max=64)
    sizes = ({2: h, 3: w}, {2: 2 * h, 3: 2 * w})
    program = torch.export.export(module.eval(), tuple(maps), dynamic_shapes=sizes, strict=False)
    # The exporters bake the bins of this operator in.
    assert not any("adaptive" in str(node.target) for node in program.graph.nodes)
    x, guide = torch.randn(1, 32, 7, 9), torch.randn(1, 32, 14, 18)
    assert torch.allclose(program.module()(x, guide), module(x, guide), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # of torch's own
@pytest.mark.parametrize("name", ["dysample", "carafe", "fade", "sapa-d"])
def test_forward_mode_gives_the_derivative_and_not_zero(name):
    torch.manual_seed(0)
    module = dysample.build_upsampler(name, 8).double().eval()
    guide = [torch.randn(1, 8, 8, 10).double()] if name in GUIDED else []
    x, direction = torch.randn(2, 1, 8, 4, 5).double()
    _, tangent = torch.func.jvp(lambda value: module(value, *guide), (x,), (direction,))
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (module(x + sign * step * direction, *guide) for sign in (1, -1))
    torch.testing.assert_close(tangent, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-6)


def test_integers_are_refused_where_a_guide_is_compared():
    x, guide = torch.zeros(1, 32, 4, 4), torch.zeros(1, 32, 8, 8)
    with pytest.raises(TypeError, match=r"`x` must be of floating-point numbers, not torch\.uint8"):
        A2U(32)(x.byte(), guide)
    with pytest.raises(TypeError, match="`guide` must be of floating-point numbers"):
        SAPAI(32)(x, guide.long())


def test_a_guide_too_many_or_too_few_is_said():
    x = torch.zeros(1, 8, 4, 4)
    with pytest.raises(TypeError, match="without a guide, x is the only map"):
        CARAFE(8)(x, x)
    with pytest.raises(TypeError, match=r"`guide` must be a tensor .* not None"):
        SAPAI(8)(x, None)
