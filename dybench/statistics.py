"""Intervals and ratios from repeated timings: pure, deterministic functions of numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2000


class Interval(msgspec.Struct, frozen=True):
    """An estimate and the bounds `low <= estimate <= high` of its confidence interval."""

    estimate: float
    low: float
    high: float


def median_interval(samples: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """The median and a confidence interval of it, by order statistics.

    The bounds are two of the samples, chosen by the binomial distribution, so nothing is assumed
    of the samples' distribution. Fewer than six samples cannot reach 95 %: their whole range is
    returned, which covers less. `seed` is accepted for symmetry; nothing here is random.

    Raises:
        ValueError: if there are no samples, one is not finite, or `confidence` is not in (0, 1).
    """
    del seed
    values = np.sort(_checked("samples", samples))
    _check_confidence(confidence)
    rank = _lower_rank(len(values), (1 - confidence) / 2)
    return Interval(float(np.median(values)), float(values[rank]), float(values[-1 - rank]))


def paired_ratio_interval(
    samples: Sequence[float],
    reference_samples: Sequence[float],
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """How many times the reference's time `samples` takes, from rounds run side by side.

    The centre is the interquartile mean of the rounds' log-ratios: a spike cannot move it, and it
    scatters less than their median. The interval is its percentile bootstrap over rounds.

    Raises:
        ValueError: if the lengths differ, there are none, or one is not finite and positive.
    """
    ratios = log_ratios(samples, reference_samples)
    _check_confidence(confidence)
    draws = resampled_centres(ratios, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    estimate = float(centre(ratios))
    return Interval(math.exp(estimate), math.exp(min(low, estimate)), math.exp(max(high, estimate)))


def relative_spread(samples: Sequence[float]) -> float:
    """The interquartile range of the samples over their median: 0 when all agree.

    Raises:
        ValueError: if there are no samples, one is not finite, or the median is not positive.
    """
    values = _checked("samples", samples)
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    if median <= 0:
        raise ValueError(f"`samples` (median {median:g}) must have a positive median")
    return float((high - low) / median)


def log_ratios(samples: Sequence[float], reference_samples: Sequence[float]) -> Floats:
    """Round by round, the logarithm of `samples` over `reference_samples`.

    Raises:
        ValueError: if the lengths differ, there are none, or one is not finite and positive.
    """
    if len(samples) != len(reference_samples):
        raise ValueError(
            f"`samples` ({len(samples)}) and `reference_samples` ({len(reference_samples)}) "
            "must be as many as each other: one of each a round"
        )
    values = _checked("samples", samples)
    reference = _checked("reference_samples", reference_samples)
    for name, array in (("samples", values), ("reference_samples", reference)):
        if array.min() <= 0:
            raise ValueError(f"`{name}` (smallest {array.min():g}) must be positive")
    ratios: Floats = np.log(values) - np.log(reference)
    return ratios


def centre(values: Floats) -> Floats:
    """The interquartile mean along the last axis: the mean of the middle half, `(..., n) → (...)`.

    Of three values it is the median; of one or two, the mean.
    """
    count = values.shape[-1]
    cut = (count + 1) // 4
    middle: Floats = np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return middle


def resampled_centres(values: Floats, rng: np.random.Generator) -> Floats:
    """The centres of `RESAMPLES` bootstrap samples of `values`, `(n,) → (RESAMPLES,)`."""
    count = len(values)
    return centre(values[rng.integers(0, count, (RESAMPLES, count))])


def nested_centre(values: Floats) -> float:
    """The mean over processes of the centre of each one's rounds, `(processes, rounds)`."""
    return float(centre(values).mean())


def resampled_nested_centres(
    values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Floats:
    """Bootstrap over processes, then over the rounds of each, `(processes, rounds) → (resamples,)`.

    Two processes of the same program differ by more than their rounds do (memory layout, page
    placement), so rounds alone would promise more than they can know (Kalibera and Jones, Rigorous
    Benchmarking in Reasonable Time, ISMM 2013, section 6).
    """
    processes, rounds = values.shape
    process = rng.integers(0, processes, (resamples, processes, 1))
    drawn = rng.integers(0, rounds, (resamples, processes, rounds))
    means: Floats = centre(values[process, drawn]).mean(axis=-1)
    return means


def _lower_rank(count: int, tail: float) -> int:
    """The highest 0-based rank whose sample lies above the true median in at most `tail` of runs.

    That many heads in `count` throws or fewer; rank 0 where even the extremes cannot promise it.
    """
    below = 0.0
    for rank in range(count):
        log_ways = math.lgamma(count + 1) - math.lgamma(rank + 1) - math.lgamma(count - rank + 1)
        below += math.exp(log_ways - count * math.log(2))
        if below > tail:
            return max(rank - 1, 0)
    return 0


def _checked(name: str, samples: Sequence[float]) -> Floats:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"`{name}` (shape {values.shape}) must be a list of at least one number")
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite numbers")
    return values


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` (={confidence}) must lie between 0 and 1")
