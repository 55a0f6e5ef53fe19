"""Outputs against the naive definition and against an earlier output."""

import json
import sys

import pytest
import torch
from torch import nn

from dybench.case import Case
from dybench.gate import probe_deviation
from dybench.measure.output import PROBES, naive_deviation, probe
from dybench.sources import Source, resolve
from dysample.ops import point_sample

CASE = Case(upsampler="dysample", channels=8, height=30, width=9, scale=2)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("name", ["dysample", "dysample-s+", "bilinear", "carafe"])
def test_the_catalogue_agrees_with_its_definition(name, layout):
    case = Case(upsampler=name, channels=16, height=9, width=7, scale=2, layout=layout)
    assert naive_deviation(case, resolve(name), seed=0, offset_std=0.5) < 1e-5


class Wrong(nn.Module):
    """Right by its definition, a hundredth off otherwise."""

    def __init__(self, in_channels, scale):
        super().__init__()

    def forward(self, x):
        n, _, h, w = x.shape
        positions = torch.rand(n, 2, 1, 2 * h, 2 * w) * 4
        from dysample.ops._implementation import chosen

        return point_sample(x, positions) + (0.0 if chosen(None) == "naive" else 0.01)


def test_a_wrong_fast_path_is_seen():
    found = naive_deviation(CASE, Source("wrong", Wrong), seed=0, offset_std=0.0)
    assert found == pytest.approx(0.01, rel=0.5)


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def test_a_probe_sees_the_output_change_and_survives_json():
    x = (torch.randn(1, 3, 20, 20),)
    old = probe(Scaled(1.0), x, seed=0)
    assert len(old) == PROBES + 2
    assert probe_deviation(probe(Scaled(1.0), x, seed=0), old) == 0.0
    assert probe_deviation(probe(Scaled(1.01), x, seed=0), old) > 5e-3
    endless = probe(Scaled(float("nan")), x, seed=0)
    assert endless[0] == sys.float_info.max
    assert json.loads(json.dumps(endless)) == endless
    assert probe_deviation(endless, old) > 1e100


def test_a_module_that_draws_numbers_draws_the_same():
    class Dropped(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, training=True)

    x = (torch.randn(1, 3, 20, 20),)
    assert probe(Dropped(), x, seed=1) == probe(Dropped(), x, seed=1)
    assert probe(Dropped(), x, seed=1) != probe(Dropped(), x, seed=2)
