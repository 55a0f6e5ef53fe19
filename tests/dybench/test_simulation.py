"""What the gate sees on a simulated machine: 10 % drift, 5 % block noise, spikes."""

import numpy as np
import pytest

from dybench.plan import LADDER, Plan, fit, power
from dybench.simulation import Noise, shares, simulate
from dybench.verdict import Thresholds

TRIALS = 40


def test_no_false_alarm_and_few_missed():
    nothing = shares(0.0, Noise(), trials=TRIALS)
    assert nothing["slower"] == nothing["faster"] == 0.0
    assert shares(0.10, Noise(), trials=TRIALS)["slower"] >= 0.85
    assert shares(0.20, Noise(), trials=TRIALS)["slower"] == 1.0


def test_a_mean_over_five_percent_would_cry_wolf():
    """The same worlds under the usual rule; shows that the test above can fail."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        world = simulate(rng, 6, 10, 0.0, Noise())
        alarms += np.mean(world.head) > 1.05 * np.mean(world.base)
    assert alarms >= 5


def test_further_looks_settle_the_unclear():
    once = shares(0.0, Noise(), looks=(6,), trials=TRIALS)
    thrice = shares(0.0, Noise(), looks=(6, 8, 10), trials=TRIALS)
    assert thrice["unclear"] < once["unclear"]
    assert thrice["slower"] == 0.0


def test_the_simulated_slowdown_is_the_one_asked_for():
    quiet = Noise(block=0.0, process=0.0, drift=0.0, spike_share=0.0)
    world = simulate(np.random.default_rng(0), 2, 4, 0.25, quiet)
    assert np.array(world.head) == pytest.approx(1.25)
    assert np.array(world.base) == pytest.approx(1.0)
    assert np.array(world.control) == pytest.approx(1.0)


def test_the_plan_shrinks_with_the_budget_and_never_below_what_a_verdict_needs():
    assert fit(600, 1) == LADDER[0] == Plan()
    costs = [fit(600, cases).expected_s(cases) for cases in (1, 5, 10, 20, 40)]
    assert all(cost <= 600 for cost in costs)
    assert fit(1, 100) == LADDER[-1]
    assert min(plan.processes for plan in LADDER) >= 4


def test_power_falls_with_noise():
    calm = power(Plan(), Thresholds(), cases=1, noise=Noise(block=0.02), trials=20)
    wild = power(Plan(), Thresholds(), cases=1, noise=Noise(block=0.20), trials=20)
    assert calm >= 0.9
    assert wild <= 0.5
