"""ONNX files are read by onnxruntime as torch reads the module."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from dysample import build_upsampler, export_onnx
from dysample.ops.point_sample import forms, point_sample

DYSAMPLES = ("dysample", "dysample+", "dysample-s", "dysample-s+")
OPTIONS = {name: {"groups": 2} for name in DYSAMPLES} | {"carafe": {"up_kernel": 3}}
CHANNELS = 8
# Sums of at most 25 products of unit size, in float32, in another order.
TOLERANCE = 1e-4


class SideBySide(nn.Module):
    """Several upsamplers of one map, so that one export holds them all."""

    def __init__(self, *names, scale=2):
        super().__init__()
        self.branches = nn.ModuleList(
            build_upsampler(name, CHANNELS, scale, **OPTIONS[name]) for name in names
        )
        for branch in self.branches:
            if hasattr(branch, "offset"):
                spread(branch.offset)
            if hasattr(branch, "scope"):
                spread(branch.scope)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = build_upsampler("dysample", CHANNELS)
        spread(self.up.offset)

    def forward(self, x, lateral):
        return self.up(x, size=lateral.shape[2:]) + lateral


def spread(conv):
    """Predict offsets of about a pixel, so that many positions leave the map."""
    nn.init.normal_(conv.weight, std=4 / conv.in_channels**0.5)


def run(path, *inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = dict(zip(names, (x.numpy() for x in inputs), strict=True))
    return session.run(["output"], feed)[0]


def check(path, module, *inputs):
    with torch.no_grad():
        expected = module.eval()(*inputs).numpy()
    np.testing.assert_allclose(run(path, *inputs), expected, rtol=0, atol=TOLERANCE)


def operators(path):
    return {node.op_type for node in onnx.load(path).graph.node}


def shape(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(
    ("sampling", "names"),
    [
        ("grid_sample", (*DYSAMPLES, "carafe")),
        ("grid_sample_zeros", ("dysample",)),
        ("gather", ("dysample", "dysample-s+")),
    ],
)
def test_a_dynamic_graph_equals_torch_at_every_size(tmp_path, sampling, names):
    module = SideBySide(*names)
    size = (1, CHANNELS, 6, 6)
    path = export_onnx(module, tmp_path / "m.onnx", input_size=size, sampling=sampling)
    graph = onnx.load(path).graph
    assert shape(graph.input[0]) == ["N", CHANNELS, "H", "W"]
    assert shape(graph.output[0])[2:] == ["2*H", "2*W"]
    assert ("GridSample" in operators(path)) is (sampling != "gather")
    for other in (size, (3, CHANNELS, 5, 7), (2, CHANNELS, 1, 1)):
        check(path, module, torch.randn(other))


@pytest.mark.parametrize("sampling", ["grid_sample", "gather"])
def test_a_static_graph_equals_torch(tmp_path, sampling):
    module = SideBySide(*DYSAMPLES, "carafe")
    size = (1, CHANNELS, 4, 5)
    path = export_onnx(
        module, tmp_path / "m.onnx", input_size=size, sampling=sampling, dynamic=False
    )
    assert shape(onnx.load(path).graph.input[0]) == list(size)
    assert ("GridSample" in operators(path)) is (sampling != "gather")
    check(path, module, torch.randn(size))


def test_scale_3_with_a_guide_and_points_summed(tmp_path):
    """Scale 3 reads border pixels exactly, and SAPA-D sums points that it reads with zeros."""

    class Guided(nn.Module):
        def __init__(self):
            super().__init__()
            self.own = SideBySide("dysample", scale=3)
            self.guided = build_upsampler("sapa-d", CHANNELS, 3, num_points=4, groups=2)

        def forward(self, x, guide):
            return self.own(x) + self.guided(x, guide)

    module = Guided()
    examples = (torch.randn(1, CHANNELS, 4, 3), torch.randn(1, CHANNELS, 12, 9))
    path = export_onnx(
        module, tmp_path / "m.onnx", inputs=examples, sampling="gather", dynamic=False
    )
    assert [value.name for value in onnx.load(path).graph.input] == ["x", "guide"]
    check(path, module, *examples)


def test_a_guided_upsampler_gets_an_example_guide(tmp_path):
    module = build_upsampler("fade-lite", CHANNELS, up_kernel=1)
    path = export_onnx(module, tmp_path / "m.onnx", input_size=(1, CHANNELS, 4, 4))
    inputs = onnx.load(path).graph.input
    assert [shape(value) for value in inputs] == [
        ["N", CHANNELS, "H", "W"],
        ["N", CHANNELS, "2*H", "2*W"],
    ]
    check(path, module, torch.randn(2, CHANNELS, 3, 5), torch.randn(2, CHANNELS, 6, 10))


def test_a_pyramid_with_odd_levels_is_one_graph_for_all_sizes(tmp_path):
    module = Pyramid()
    examples = (torch.randn(1, CHANNELS, 4, 5), torch.randn(1, CHANNELS, 7, 10))
    path = export_onnx(module, tmp_path / "m.onnx", inputs=examples)
    for low, high in (((4, 5), (7, 10)), ((4, 5), (8, 9)), ((3, 6), (6, 12))):
        check(path, module, torch.randn(2, CHANNELS, *low), torch.randn(2, CHANNELS, *high))


def test_the_module_is_exported_in_eval_and_left_as_it_was(tmp_path):
    module = nn.Sequential(nn.Dropout(0.9), nn.Upsample(scale_factor=2), nn.BatchNorm2d(CHANNELS))
    module[2].eval()
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    path = export_onnx(module, tmp_path / "m.onnx", input_size=(1, CHANNELS, 4, 4), dynamic=False)
    assert [part.training for part in module] == [True, True, False]
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, weights[key], rtol=0, atol=0)
    assert forms.asked() is False
    check(path, module, torch.randn(1, CHANNELS, 4, 4))


def test_opset_20_is_refused_unless_asked_for_by_name(tmp_path):
    module = build_upsampler("dysample", CHANNELS)
    kwargs = {"input_size": (1, CHANNELS, 4, 4), "dynamic": False, "opset": 20}
    message = (
        r"`opset` \(=20\) must be below 20: GridSample's modes were renamed there .* "
        "TensorRT then samples nearest, silently; `allow_opset_20=True`"
    )
    with pytest.raises(ValueError, match=message):
        export_onnx(module, tmp_path / "m.onnx", **kwargs)
    assert list(tmp_path.iterdir()) == []
    path = export_onnx(module, tmp_path / "m.onnx", **kwargs, allow_opset_20=True)
    (node,) = (node for node in onnx.load(path).graph.node if node.op_type == "GridSample")
    assert {a.name: a.s for a in node.attribute}["mode"] == b"linear"
    check(path, module, torch.randn(1, CHANNELS, 4, 4))


def test_opset_18_keeps_the_mode_that_older_runtimes_know(tmp_path):
    path = export_onnx(
        build_upsampler("dysample", CHANNELS),
        tmp_path / "m.onnx",
        input_size=(1, CHANNELS, 4, 4),
        dynamic=False,
    )
    (node,) = (node for node in onnx.load(path).graph.node if node.op_type == "GridSample")
    assert {a.name: a.s for a in node.attribute}["mode"] == b"bilinear"


def test_a_file_is_never_overwritten_silently(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("precious")
    module, size = nn.Upsample(scale_factor=2), (1, 2, 3, 3)
    with pytest.raises(FileExistsError, match=r"`overwrite=True` replaces it"):
        export_onnx(module, path, input_size=size)
    assert path.read_text() == "precious"
    export_onnx(module, path, input_size=size, overwrite=True)
    assert operators(path) >= {"Resize"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*_paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "m.onnx"
    export_onnx(nn.Upsample(scale_factor=2), path, input_size=(1, 2, 3, 3))
    assert operators(path) >= {"Resize"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "exactly one of `input_size` and `inputs` must be given"),
        ({"input_size": (8, 4, 4)}, r"`input_size` \(=\(8, 4, 4\)\) must be \(N, C, H, W\)"),
        ({"input_size": (1, 8, 1, 4)}, r"`inputs\[0\]` .* must be at least 2 high and wide"),
        ({"input_size": (1, 8, 4, 4), "opset": 17}, r"`opset` \(=17\) must be at least 18"),
        ({"input_size": (1, 8, 4, 4), "sampling": "nearest"}, r"`sampling` \(='nearest'\) must be"),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(build_upsampler("dysample", CHANNELS), tmp_path / "m.onnx", **kwargs)


@pytest.mark.parametrize("sampling", forms.SAMPLINGS)
@pytest.mark.parametrize("points", [None, 3])
@pytest.mark.parametrize("size", [(4, 8), (1, 1), (1, 2)])  # powers of two: borders are exact
def test_every_form_has_the_value_and_the_gradients_of_border_padding(sampling, points, size):
    """Among the positions are the borders exactly, where border padding passes no gradient."""
    height, width = size
    x = torch.randn(2, 8, height, width, dtype=torch.float64, requires_grad=True)
    extra = () if points is None else (points,)
    positions = torch.rand(2, 2, 4, *extra, 7, 8, dtype=torch.float64) * 1.6 - 0.3
    positions[:, 0] *= width - 1
    positions[:, 1] *= height - 1
    positions[..., 0, :4] = 0
    positions[:, 0, ..., 1, 4:] = width - 1
    positions.requires_grad_()
    leaves = [x, positions]
    if points is not None:
        leaves.append(torch.randn(2, 4, points, 7, 8, dtype=torch.float64, requires_grad=True))
    expected = point_sample(*leaves, implementation="torch")
    with forms.sampling(sampling):
        found = point_sample(*leaves)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    received = torch.randn_like(expected)
    gradients = torch.autograd.grad(found, leaves, received)
    for one, other in zip(gradients, torch.autograd.grad(expected, leaves, received), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_the_gather_form_reads_zeros_outside():
    x, positions = torch.randn(2, 8, 4, 5), torch.rand(2, 2, 4, 7, 8) * 9 - 3
    with forms.sampling("gather"):
        found = point_sample(x, positions, padding="zeros")
    expected = point_sample(x, positions, padding="zeros", implementation="naive")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_form_does_not_outlive_its_context():
    with forms.sampling("gather"):
        with pytest.raises(ValueError, match="`x`"), forms.sampling("grid_sample"):
            point_sample(torch.zeros(3), torch.zeros(3))
        assert forms.asked()
    assert not forms.asked()
