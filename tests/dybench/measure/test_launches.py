"""Kernels alone: what is timed, and when a call is said to be launch-bound."""

from __future__ import annotations

import pytest
import torch

from dybench.measure.launches import GRAPH_CALLS, kernel_seconds, launch_note

CUDA = torch.device("cuda:0")


class FakeTimer:
    """Knows how long each call takes by its name."""

    overhead_s = 0.0

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.log = seconds, []

    def time(self, call, calls):
        self.log.append((call(), calls))
        return self.seconds[call()] * calls


def test_the_replay_is_timed_and_not_the_call():
    timer = FakeTimer(call=40e-6, replay=10e-6 * GRAPH_CALLS)
    called, captured = [], []

    def capture(call, device):
        call()
        captured.append(device)
        return lambda: "replay"

    found = kernel_seconds(
        lambda: called.append("call"), timer, CUDA, block_s=0.008, capture=capture
    )
    assert found == pytest.approx(10e-6)
    assert called == ["call"] * GRAPH_CALLS  # all of them in one graph
    assert captured == [CUDA]
    assert {name for name, _ in timer.log} == {"replay"}
    assert timer.log[-1] == ("replay", 100)  # a block of 8 ms


@pytest.mark.parametrize(
    ("latency_s", "kernel_s", "said"), [(12e-6, 10e-6, False), (40e-6, 10e-6, True)]
)
def test_a_call_is_launch_bound_when_its_kernels_wait(latency_s, kernel_s, said):
    note = launch_note(latency_s, kernel_s)
    assert (note is not None) == said
    if note is not None:
        assert note.startswith("launch-bound: its kernels take 10.0 of 40.0 µs")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_graph_of_a_small_addition_takes_less_than_its_launches():
    from dybench.measure.timer import CudaTimer

    x = torch.ones(8, device=CUDA)

    def call():
        y = x
        for _ in range(50):
            y = y + 1
        return y

    timer = CudaTimer(CUDA)
    alone = kernel_seconds(call, timer, CUDA, block_s=0.01)
    timer.time(call, 10)
    assert 0 < alone < timer.time(call, 100) / 100
