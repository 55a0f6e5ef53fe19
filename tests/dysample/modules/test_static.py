"""Interpolation, transposed convolution, pixel shuffle, and the target size that all take."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from dysample import Bicubic, Bilinear, Deconv, DySample, Nearest, PixelShuffle
from tests.golden_cases import LAYOUTS

CLASSES = [Nearest, Bilinear, Bicubic, Deconv, PixelShuffle, DySample]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("cls", CLASSES)
def test_dtype_and_layout_are_those_of_the_map(cls, dtype, layout):
    x = torch.randn(2, 8, 5, 7).to(dtype).contiguous(memory_format=LAYOUTS[layout])
    out = cls(8).to(dtype)(x)
    assert out.shape == (2, 8, 10, 14)
    assert out.dtype is dtype
    assert out.is_contiguous(memory_format=LAYOUTS[layout])


@pytest.mark.parametrize("cls", CLASSES)
def test_an_empty_batch_and_the_meta_device(cls):
    x = torch.empty(0, 8, 5, 7, requires_grad=True)
    out = cls(8)(x)
    assert out.shape == (0, 8, 10, 14)
    out.sum().backward()
    assert x.grad.shape == x.shape
    with torch.device("meta"):
        assert cls(8)(torch.empty(1, 8, 5, 7)).shape == (1, 8, 10, 14)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_smaller_target_crops(cls):
    module, x = cls(8), torch.randn(1, 8, 5, 7)
    out = module(x, size=(9, 13))
    assert torch.equal(out, module(x)[:, :, :9, :13])
    assert out.is_contiguous()
    assert torch.equal(module(x, size=(10, 14)), module(x))


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("size", [(11, 14), (9, 15), (21, 29)])
def test_a_larger_target_resamples(cls, size):
    module, x = cls(8), torch.randn(1, 8, 5, 7)
    expected = F.interpolate(module(x), size=size, mode="bilinear", align_corners=False)
    assert torch.equal(module(x, size=size), expected)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_target_that_is_none(cls):
    with pytest.raises(ValueError, match=r"^`size\[1\]` \(=0\) must be at least 1$"):
        cls(8)(torch.zeros(1, 8, 5, 7), size=(9, 0))


@pytest.mark.parametrize("cls", CLASSES)
def test_wrong_arguments(cls):
    with pytest.raises(ValueError, match=r"^`in_channels` \(=-8\) must be at least 1$"):
        cls(-8)
    with pytest.raises(ValueError, match=r"^`scale` \(=0\) must be at least 1$"):
        cls(8, 0)
    with pytest.raises(TypeError, match=r"^`scale` \(=1.5\) must be an integer, not float$"):
        cls(8, 1.5)
    with pytest.raises(ValueError, match=r"^`x` \(shape \(8, 5, 7\)\) must have 4 dimensions"):
        cls(8)(torch.zeros(8, 5, 7))
    with pytest.raises(ValueError, match=r"^`x` \(shape \(1, 9, 5, 7\)\) must have 8 channels$"):
        cls(8)(torch.zeros(1, 9, 5, 7))


def test_deconv_has_one_scale():
    with pytest.raises(ValueError, match=r"^`scale` \(=3\) must be one of 2$"):
        Deconv(8, 3)


def test_keys_are_the_authors():
    assert list(Deconv(8).state_dict()) == ["weight", "bias"]
    assert list(PixelShuffle(8).state_dict()) == ["0.weight", "0.bias"]
    assert not Bicubic(8).state_dict()
