"""Intervals and ratios: exact where they can be, covered by simulation where they cannot."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dybench.statistics import (
    centre,
    median_interval,
    paired_ratio_interval,
    relative_spread,
)

seconds = st.floats(1e-6, 1e3)


@pytest.mark.parametrize(
    ("count", "rank"),
    [
        (1, 1),
        (5, 1),  # the range covers 93.75 %: the best that five samples can do
        (6, 1),  # the range covers 96.9 %
        (10, 2),
        (20, 6),  # textbook values for 95 %
        (30, 10),
    ],
)
def test_median_bounds_are_the_binomial_order_statistics(count, rank):
    interval = median_interval([float(value) for value in range(1, count + 1)])
    assert interval.estimate == (count + 1) / 2
    assert (interval.low, interval.high) == (rank, count + 1 - rank)


def test_median_of_many_samples_does_not_underflow():
    interval = median_interval([float(value) for value in range(5000)])
    assert 2400 < interval.low < interval.estimate < interval.high < 2600


@given(st.lists(seconds, min_size=1, max_size=40), st.floats(0.5, 0.999))
def test_median_lies_in_its_interval_and_the_interval_in_the_samples(samples, confidence):
    interval = median_interval(samples, confidence)
    assert min(samples) <= interval.low <= interval.estimate <= interval.high <= max(samples)


def test_median_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(1000):
        interval = median_interval(rng.standard_t(2, size=21).tolist())
        hits += interval.low <= 0 <= interval.high
    assert 930 <= hits <= 990


def test_ratio_of_a_drifting_pair_is_exact():
    reference = [1.0 + 0.1 * index for index in range(12)]
    interval = paired_ratio_interval([1.3 * value for value in reference], reference)
    assert interval.estimate == pytest.approx(1.3)
    assert interval.low == pytest.approx(1.3)
    assert interval.high == pytest.approx(1.3)


def test_one_spike_in_ten_does_not_move_the_ratio():
    samples = [1.1] * 9 + [50.0]
    interval = paired_ratio_interval(samples, [1.0] * 10)
    assert interval.estimate == pytest.approx(1.1)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=20))
def test_swapping_numerator_and_denominator_inverts_the_ratio(pairs):
    samples, reference = (list(column) for column in zip(*pairs, strict=True))
    forth = paired_ratio_interval(samples, reference)
    back = paired_ratio_interval(reference, samples)
    assert forth.low <= forth.estimate <= forth.high
    assert forth.estimate * back.estimate == pytest.approx(1.0)


def test_ratio_is_the_same_for_the_same_seed_only():
    rng = np.random.default_rng(0)
    samples, reference = rng.lognormal(size=(2, 15)).tolist()
    first = paired_ratio_interval(samples, reference, seed=3)
    assert first == paired_ratio_interval(samples, reference, seed=3)
    assert first != paired_ratio_interval(samples, reference, seed=4)


def test_ratio_interval_covers_the_true_ratio_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(400):
        noise = np.exp(0.05 * rng.standard_t(3, size=(2, 20)))
        interval = paired_ratio_interval((1.2 * noise[0]).tolist(), noise[1].tolist(), seed=trial)
        hits += interval.low <= 1.2 <= interval.high
    assert 360 <= hits <= 396


@pytest.mark.parametrize(
    ("values", "expected"),
    [([4.0], 4.0), ([1.0, 3.0], 2.0), ([9.0, 1.0, 2.0], 2.0), ([0.0, 1.0, 2.0, 90.0], 1.5)],
)
def test_centre_is_the_mean_of_the_middle_half(values, expected):
    assert centre(np.array(values)) == expected


def test_relative_spread_is_the_quartile_range_over_the_median():
    assert relative_spread([2.0, 2.0, 2.0]) == 0.0
    assert relative_spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: median_interval([]), "at least one number"),
        (lambda: median_interval([math.nan]), "must be finite"),
        (lambda: median_interval([1.0], confidence=1.0), r"`confidence` \(=1.0\)"),
        (lambda: paired_ratio_interval([1.0], [1.0, 2.0]), "one of each a round"),
        (lambda: paired_ratio_interval([1.0], [0.0]), "`reference_samples` .* must be positive"),
        (lambda: paired_ratio_interval([-1.0], [1.0]), r"`samples` \(smallest -1\)"),
        (lambda: relative_spread([0.0]), "positive median"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
