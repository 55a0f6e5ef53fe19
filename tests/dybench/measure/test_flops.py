"""FLOPs are exact, also where the counter alone skips or miscounts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dybench.measure import flops, parameters
from dysample import UPSAMPLERS, build_upsampler

H, W = 6, 8


class Fn(nn.Module):
    def __init__(self, fn) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, *inputs):
        return self.fn(*inputs)


def count(fn, *shapes) -> flops.FlopCount:
    return flops.count(Fn(fn), tuple(torch.randn(shape) for shape in shapes))


X = (2, 4, H, W)
N = math.prod(X)


@pytest.mark.parametrize(
    ("fn", "shapes", "expected"),
    [
        (lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), [X], 0),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), [X], 4 * 4 * N),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), [X], 4 * 16 * N),
        (lambda x: F.pixel_shuffle(x, 2), [X], 0),
        (lambda x: F.unfold(x, 3), [X], 0),
        (lambda x: F.softmax(x, 1), [X], 0),
        (lambda x: F.group_norm(x, 2), [X], 0),
        (lambda x, y: (x * y).sum(1), [X, X], N),
        (lambda x: x * 0.5 + 1, [X], 0),
        (lambda x, y: torch.addcmul(x, x, y), [X, X], N),
        (lambda x, y: torch.lerp(x, x + 1, y), [X, X], N),
        (lambda x, y: x @ y, [(2, 1, 5, 3), (1, 4, 3, 7)], 2 * 4 * 5 * 3 * 7),
        (lambda x, y: torch.einsum("nchw,nchw->nhw", x, y), [X, X], N),
        (lambda x, y: torch.einsum("nchw,dc->ndhw", x, y), [X, (5, 4)], 5 * N),
        (
            lambda x, y, z: torch.einsum("ab,bc,cd->ad", x, y, z),
            [(2, 3), (3, 4), (4, 5)],
            2 * 3 * 4 + 2 * 4 * 5,
        ),
        (
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
            [(1, 2, 5, 8), (1, 2, 7, 8), (1, 2, 7, 8)],
            2 * 5 * 7 * 16,
        ),
    ],
)
def test_operators_the_counter_alone_gets_wrong(fn, shapes, expected) -> None:
    counted = count(fn, *shapes)
    assert counted.total == expected
    assert counted.unsupported == {}


@pytest.mark.parametrize(("mode", "taps"), [("bilinear", 4), ("nearest", 0), ("bicubic", 16)])
def test_grid_sample_by_its_mode(mode: str, taps: int) -> None:
    counted = count(
        lambda x, grid: F.grid_sample(x, grid, mode=mode, align_corners=False), X, (2, H, W, 2)
    )
    assert counted.total == taps * N


def test_a_weighted_bag_multiplies_each_row_it_reads() -> None:
    indices = torch.zeros(5, 3, dtype=torch.long)

    def bag(rows, weights):
        return F.embedding_bag(indices, rows, mode="sum", per_sample_weights=weights)

    assert count(bag, (7, 16), (5, 3)).total == 5 * 3 * 16
    assert count(lambda rows: F.embedding_bag(indices, rows, mode="sum"), (7, 16)).total == 0


def test_a_transposed_convolution_counts_per_input_pixel() -> None:
    module = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
    assert flops.count(module, (torch.randn(1, 4, H, W),)).total == 9 * 16 * H * W


def test_an_unknown_operator_is_named() -> None:
    assert count(lambda x: torch.fft.fft(x).real, X).unsupported == {"aten::fft_fft": 1}


def test_operators_are_counted_whatever_they_cost() -> None:
    counted = flops.count(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()), (torch.randn(X),))
    assert counted.operator_counts["aten::_convolution"] == 1


def test_the_module_is_left_as_it_was_even_when_forward_raises() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).train()
    module[0].eval()
    with pytest.raises(RuntimeError):
        flops.count(module, (torch.randn(1, 4, H, W),))
    assert module.training
    assert not module[0].training
    assert module[1].training
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in module.modules())


def formulas(c: int, s: int) -> dict[str, int]:
    """MACs per low-resolution pixel: learned layers plus resampling, from the papers' algebra."""
    return {
        "nearest": 0,
        "bilinear": 4 * c * s**2,
        "bicubic": 16 * c * s**2,
        "deconv": 9 * c**2,
        "pixelshuffle": 9 * c**2 * s**2,
        "carafe": 64 * c + 14400 * s**2 + 25 * c * s**2,
        "indexnet": 32 * c**2 + 8 * c + 4 * c,
        "a2u": 72 * c + c + 36 + 36 * c,
        "fade": 320 * c + 72_000 + c + 100 * c + 8 * c,
        "fade-lite": 125 * c + 1_125 + c + 108 * c,
        "sapa-i": 50 * c * s**2,
        "sapa-b": 32 * c * (s**2 + 1) + 25 * 32 * s**2 + 25 * c * s**2,
        "sapa-d": 128 * c * (s**2 + 1) + 72 * s**2 * c + 45 * s**2 * (128 + c),
        "dysample": 8 * s**2 * c + 4 * c * s**2,
        "dysample+": 16 * s**2 * c + 4 * c * s**2,
        "dysample-s": 16 * c + 4 * c * s**2,
        "dysample-s+": 32 * c + 4 * c * s**2,
    }


PER_IMAGE = {"a2u": lambda c: 36 * c + 72 * c}


@pytest.mark.parametrize("channels", [64, 256])
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", list(UPSAMPLERS))
def test_every_upsampler_equals_its_formula(name: str, scale: int, channels: int) -> None:
    entry = UPSAMPLERS[name]
    if entry.scales is not None and scale not in entry.scales:
        pytest.skip(f"{name} has no scale {scale}")
    module = build_upsampler(name, channels, scale)
    inputs = [torch.randn(2, channels, H, W)]
    if entry.guided:
        inputs.append(torch.randn(2, channels, H * scale, W * scale))
    counted = flops.count(module, tuple(inputs))
    per_image = PER_IMAGE.get(name, lambda c: 0)(channels)
    assert counted.total == 2 * (formulas(channels, scale)[name] * H * W + per_image)
    assert counted.unsupported == {}


def test_dysample_at_the_papers_size_has_the_papers_figures() -> None:
    module = build_upsampler("dysample", 256)
    assert flops.count(module, (torch.randn(1, 256, 120, 120),)).total == 176_947_200


@pytest.mark.parametrize(
    ("name", "total", "weights"),
    [
        ("dysample", 8_224, 8_192),
        ("dysample+", 16_416, 16_384),
        ("dysample-s", 1_040, 1_024),
        ("dysample-s+", 2_064, 2_048),
        ("deconv", 590_080, 589_824),
        ("pixelshuffle", 2_360_320, 2_359_296),
    ],
)
def test_parameters(name: str, total: int, weights: int) -> None:
    assert parameters.count(build_upsampler(name, 256)) == (total, weights)


def test_frozen_parameters_are_not_learnt() -> None:
    module = nn.Conv2d(4, 4, 3)
    module.weight.requires_grad_(False)
    assert parameters.count(module) == (4, 0)
