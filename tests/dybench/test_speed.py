"""The side-by-side benchmark: same weights, same figures out of both, honest verdicts."""

import pytest
import torch

from dybench.measure.latency import Pace
from dybench.speed import CARAFE_SCENE, SCENES, Row, Scene, _pair, _target, run_scene

CPU = torch.device("cpu")
PACE = Pace(budget_s=0.01, block_s=0.001, rounds=3, min_rounds=2, warmup_s=0.002)


@pytest.mark.parametrize("scene", [*SCENES, CARAFE_SCENE], ids=lambda scene: scene.title)
def test_ours_and_the_yardstick_compute_the_same(scene: Scene) -> None:
    ours, yardstick = _pair(scene)
    x = torch.randn(1, scene.channels, 6, 7)
    with torch.no_grad():
        assert torch.allclose(ours(x), yardstick(x), atol=1e-4)


def test_a_scene_gives_every_ratio_and_the_memory_of_both() -> None:
    rows, seconds, overhead = run_scene(Scene(channels=16, height=6, width=7), CPU, PACE)
    assert {(row.ours, row.against) for row in rows} >= {
        ("ours, NCHW", "reference"),
        ("ours, channels_last", "reference"),
        ("ours, channels_last", "bilinear, NCHW"),
    }
    assert all(row.low <= row.ratio <= row.high for row in rows)
    assert set(overhead) == {"reference", "ours, NCHW", "ours, channels_last"}
    assert seconds.keys() > overhead.keys()


@pytest.mark.parametrize(
    ("low", "high", "target", "verdict"),
    [
        (0.3, 0.4, 0.45, "met"),
        (0.4, 0.5, 0.45, "unclear"),
        (0.5, 0.6, 0.45, "missed"),
        (0.5, 0.6, None, ""),
    ],
)
def test_a_target_is_met_by_the_whole_interval(low, high, target, verdict) -> None:
    middle = (low + high) / 2
    row = Row(scene="", ours="", against="", ratio=middle, low=low, high=high, target=target)
    assert row.verdict == verdict


def test_the_targets_are_those_that_were_set() -> None:
    full, small = Scene(), Scene(channels=64)
    assert _target(full, "ours, channels_last", "reference", CPU) == 0.45
    assert _target(small, "ours, channels_last", "reference", CPU) == 1.0
    assert _target(full, "ours, NCHW", "reference", CPU) == 1.0
    assert _target(CARAFE_SCENE, "ours, channels_last", "reference", CPU) == 0.25
    cuda = torch.device("cuda")
    assert _target(full, "ours, NCHW", "reference", cuda) == 0.33
    assert _target(full, "ours, NCHW", "bilinear, NCHW", cuda) == 1.3
