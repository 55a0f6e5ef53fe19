"""The upsamplers without a guide against the golden data of the original authors' modules."""

from __future__ import annotations

import pytest
import torch

from dysample import Bicubic, Bilinear, Deconv, DySample, Nearest, PixelShuffle, build_upsampler
from tests.golden_cases import (
    LAYOUTS,
    check_gradients,
    check_output,
    golden_names,
    load_golden,
    parameter_counts,
)

STATIC = {"nearest": Nearest, "bilinear": Bilinear, "bicubic": Bicubic}
CASES = golden_names("dysample_", "nearest", "bilinear", "bicubic", "deconv", "pixelshuffle")


def build(case):
    """Build our module for the authors' constructor arguments, and load their weights."""
    channels = case.tensor("in.x").shape[1]
    name, ctor = case.meta["upsampler"], case.meta["ctor"]
    if name == "DySample":
        renamed = {"scale" if key == "scale_factor" else key: ctor[key] for key in ctor}
        module = DySample(**renamed)
    elif name == "deconv":
        module = Deconv(channels, ctor["scale_factor"])
    elif name == "pixelshuffle":
        module = PixelShuffle(channels, ctor["scale_factor"])
    elif "aligncorners" in case.name:
        module = Bilinear(channels, ctor["scale_factor"], align_corners=True)
    else:
        module = STATIC[name](channels, ctor["scale_factor"])
    module.load_state_dict(case.state_dict(), strict=True)
    return module


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_output(name, dtype, layout):
    case = load_golden(name)
    check_output(build(case), case, dtype, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_every_gradient(name, layout):
    case = load_golden(name)
    if not case.has_gradients:
        assert name.startswith("dysample_big")
        return
    check_gradients(build(case), case, layout)


ROWS = [
    (name, row)
    for name in (
        *("nearest", "bilinear", "deconv", "pixelshuffle"),
        *("dysample", "dysample+", "dysample-s", "dysample-s+"),
    )
    for row in parameter_counts(name)
]


@pytest.mark.parametrize(
    ("name", "row"), ROWS, ids=[f"{name}-{row['channels']}-x{row['scale']}" for name, row in ROWS]
)
def test_parameter_counts(name, row):
    with torch.device("meta"):
        module = build_upsampler(name, row["channels"], row["scale"])
    sizes = [parameter.numel() for parameter in module.parameters()]
    weights = [parameter.numel() for parameter in module.parameters() if parameter.dim() >= 2]
    assert sum(sizes) == row["params"]
    assert sum(weights) == row["params_weights_only"]


@pytest.mark.parametrize(
    ("name", "expected", "weights"),
    [
        ("dysample", 8224, 8192),
        ("dysample+", 16416, 16384),
        ("dysample-s", 1040, 1024),
        ("dysample-s+", 2064, 2048),
    ],
)
def test_parameters_the_paper_prints(name, expected, weights):
    module = build_upsampler(name, 256)
    assert sum(parameter.numel() for parameter in module.parameters()) == expected
    assert sum(p.numel() for p in module.parameters() if p.dim() > 1) == weights
