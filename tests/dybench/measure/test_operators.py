"""Operators are counted where they are called, used or not, and inside our own operators."""

import pytest
import torch
from torch.nn import functional as F

from dybench.measure import operators
from dysample import build_upsampler

X = torch.randn(1, 8, 6, 6)
WEIGHT = torch.randn(8, 8, 1, 1)


def test_a_result_that_nobody_uses_counts():
    def wasteful():
        F.conv2d(X, WEIGHT)
        torch.empty(3)
        return X + 1

    assert operators.count(wasteful) == {"aten::add": 1, "aten::conv2d": 1, "aten::empty": 1}


def test_views_are_free_and_copies_they_make_are_not():
    assert operators.count(lambda: X.permute(0, 2, 3, 1).view(1, 36, 8).unsqueeze(0)) == {}
    assert operators.count(lambda: X.permute(0, 2, 3, 1).reshape(-1)) == {"aten::clone": 1}
    assert operators.count(lambda: X.to(torch.float64)) == {"aten::_to_copy": 1}
    assert operators.count(lambda: X.contiguous()) == {}


def test_a_backward_counts():
    x = X.clone().requires_grad_()

    def train():
        F.conv2d(x, WEIGHT).sum().backward()

    counted = operators.count(train)
    assert counted["aten::convolution_backward"] == 1
    assert not [name for name in counted if "autograd" in name]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_our_operators_call_counts_and_is_the_same_each_time(layout):
    module = build_upsampler("dysample", 8).eval()
    x = X.contiguous(memory_format=layout)

    def infer():
        with torch.inference_mode():
            return module(x)

    infer()
    counted = operators.count(infer)
    assert counted["aten::conv2d"] == 1
    assert {"aten::embedding_bag", "aten::grid_sampler"} & counted.keys()  # inside dysample::…
    assert operators.count(infer) == counted
