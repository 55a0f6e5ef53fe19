"""Verdicts from intervals and from alternating rounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dybench.simulation import Noise, simulate
from dybench.statistics import Interval
from dybench.verdict import Rounds, Thresholds, judge, judge_rounds, order, ratio_of_ratios

MIRROR = {"slower": "faster", "faster": "slower", "same": "same", "unclear": "unclear"}


@pytest.mark.parametrize(
    ("estimate", "low", "high", "verdict"),
    [
        (1.10, 1.06, 1.14, "slower"),
        (1.041, 1.021, 1.08, "slower"),
        (1.06, 1.01, 1.11, "unclear"),  # the bound is under the floor of 2 %
        (1.03, 1.025, 1.039, "same"),  # surely slower, but not by more than 4 %
        (1.03, 1.025, 1.05, "unclear"),
        (1.00, 0.97, 1.03, "same"),
        (1.00, 0.90, 1.10, "unclear"),
        (0.90, 0.88, 0.93, "faster"),
        (0.95, 0.90, 0.99, "unclear"),
    ],
)
def test_verdict_of_an_interval(estimate, low, high, verdict):
    assert judge(Interval(estimate, low, high), Thresholds()) == verdict


@given(st.tuples(*[st.floats(0.5, 2.0)] * 3), st.floats(0.0, 0.2))
def test_swapping_old_and_new_mirrors_the_verdict(values, floor):
    low, estimate, high = sorted(values)
    forth = judge(Interval(estimate, low, high), Thresholds(), floor)
    back = judge(Interval(1 / estimate, 1 / high, 1 / low), Thresholds(), floor)
    assert back == MIRROR[forth]


def test_a_raised_floor_asks_for_more():
    ratio = Interval(1.10, 1.03, 1.17)
    assert judge(ratio, Thresholds()) == "slower"
    assert judge(ratio, Thresholds(), floor=0.04) == "unclear"
    assert judge(ratio, Thresholds(), floor=0.0) == "slower"


def test_head_runs_between_the_two_bases_and_they_change_sides():
    assert order(0) == ("base", "head", "control")
    assert order(1) == ("control", "head", "base")


def drifting(processes, rounds, factor):
    """Noiseless timings on a machine that gets steadily slower."""
    seconds = {"base": [], "head": [], "control": []}
    now = 1.0
    for _ in range(processes):
        part = {"base": [], "head": [], "control": []}
        for index in range(rounds):
            for side in order(index):
                part[side].append(math.exp(now) * (factor if side == "head" else 1.0))
                now += 0.01
        for side, values in part.items():
            seconds[side].append(values)
    return Rounds(**seconds)


def test_a_steady_drift_cancels_exactly():
    judgement = judge_rounds(drifting(6, 10, 1.10), Thresholds())
    assert judgement.ratio.estimate == pytest.approx(1.10)
    assert judgement.control.estimate == pytest.approx(1.0)
    assert judgement.verdict == "slower"
    assert judge_rounds(drifting(6, 10, 1.0), Thresholds()).verdict == "same"
    assert judge_rounds(drifting(6, 10, 0.9), Thresholds()).verdict == "faster"


def test_a_control_that_differs_from_base_allows_no_verdict():
    clean = drifting(6, 10, 1.2)
    biased = Rounds(clean.base, clean.head, [[1.08 * s for s in row] for row in clean.control])
    judgement = judge_rounds(biased, Thresholds())
    assert judgement.verdict == "unclear"
    assert "base against itself differs by 8.0%" in judgement.reason


def test_a_slowdown_must_exceed_what_the_control_shows():
    ones = [[1.0] * 6] * 6
    head = [[1.03] * 6, [1.13] * 6] * 3  # bounded below at about 3 %
    assert judge_rounds(Rounds(ones, head, ones), Thresholds()).verdict == "slower"
    bias = 1.045
    head = [[bias**0.5 * s for s in row] for row in head]  # the same ratio to the two bases
    biased = judge_rounds(Rounds(ones, head, [[bias] * 6] * 6), Thresholds())
    assert biased.ratio.low > 1.02
    assert biased.verdict == "unclear"


def test_more_cases_widen_the_bounds_and_the_seed_fixes_them():
    rounds = simulate(np.random.default_rng(1), 6, 10, 0.05, Noise())
    alone = judge_rounds(rounds, Thresholds(), cases=1)
    among = judge_rounds(rounds, Thresholds(), cases=20)
    assert among.ratio.estimate == alone.ratio.estimate
    assert among.ratio.low < alone.ratio.low < alone.ratio.high < among.ratio.high
    assert alone == judge_rounds(rounds, Thresholds(), cases=1)
    assert alone != judge_rounds(rounds, Thresholds(), cases=1, seed=1)


def test_rounds_must_match():
    with pytest.raises(ValueError, match=r"`rounds` .* must match"):
        judge_rounds(Rounds([[1.0, 1.0]], [[1.0]], [[1.0, 1.0]]), Thresholds())
    with pytest.raises(ValueError, match="at least one process"):
        judge_rounds(Rounds([], [], []), Thresholds())


def test_ratio_of_ratios_adds_widths_in_quadrature():
    new, old = Interval(2.2, 2.0, 2.4), Interval(2.0, 1.9, 2.1)
    ratio = ratio_of_ratios(new, old)
    assert ratio.estimate == pytest.approx(1.1)
    below = math.hypot(math.log(2.2 / 2.0), math.log(2.1 / 2.0))
    assert math.log(ratio.estimate / ratio.low) == pytest.approx(below)
    exact = ratio_of_ratios(Interval(2.2, 2.2, 2.2), Interval(2.0, 2.0, 2.0))
    assert (exact.low, exact.high) == pytest.approx((1.1, 1.1))
