"""Peak memory, checked against allocations worked out by hand."""

import pytest
import torch
import torch.nn.functional as F

from dybench.measure import memory

MEGA = 1_000_000
CPU = torch.device("cpu")


def two_alive_then_one() -> torch.Tensor:
    first = torch.ones(MEGA)
    second = first + 1
    del first
    return second * 2


def test_the_peak_is_what_lives_at_once() -> None:
    peak = memory.measure(two_alive_then_one, CPU)
    assert peak.kind == "cpu allocator"
    assert 8 * MEGA <= peak.peak < 8 * MEGA + 4096


def test_temporaries_inside_an_operator_count() -> None:
    columns = 9 * 16 * 64 * 64 * 4

    def call() -> torch.Tensor:
        return F.unfold(x, 3, padding=1).sum()

    x = torch.randn(1, 16, 64, 64)
    assert memory.measure(call, CPU).peak >= columns


def test_what_was_live_before_does_not_count() -> None:
    held = torch.ones(10 * MEGA)
    assert memory.measure(lambda: held[:10].clone(), CPU).peak < 4096


def test_the_prediction_rounds_each_storage_to_the_cuda_block() -> None:
    x = torch.empty(100, device="meta")
    assert memory.predict_cuda(lambda: x + 1) == 512
    assert memory.predict_cuda(lambda: (x + 1) * 2) == 1024


def test_the_prediction_agrees_with_what_the_allocator_sees() -> None:
    def call(x: torch.Tensor) -> torch.Tensor:
        y = F.relu(F.conv2d(x, weight[x.device.type]))
        return F.interpolate(y, scale_factor=2, mode="bilinear")

    weight = {"cpu": torch.randn(32, 32, 1, 1), "meta": torch.empty(32, 32, 1, 1, device="meta")}
    x = torch.randn(1, 32, 64, 64)
    shape_only = x.to("meta")
    predicted = memory.predict_cuda(lambda: call(shape_only))
    measured = memory.measure(lambda: call(x), CPU).peak
    assert predicted == pytest.approx(measured, rel=0.02)


def test_views_and_in_place_results_are_not_counted_twice() -> None:
    x = torch.empty(1000, device="meta")
    assert memory.predict_cuda(lambda: (x + 1).view(10, 100).mul_(2).t()) == 4096
