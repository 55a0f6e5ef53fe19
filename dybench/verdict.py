"""Same, faster, slower or unclear: what an interval of a ratio says, given thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from dybench.statistics import (
    Interval,
    log_ratios,
    nested_centre,
    resampled_nested_centres,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.statistics import Floats

Verdict = Literal["same", "faster", "slower", "unclear"]
Side = Literal["base", "head", "control"]
SIDES: tuple[Side, ...] = ("base", "head", "control")

MIN_RESAMPLES = 4000
MAX_RESAMPLES = 20_000
DRAWS_IN_TAIL = 40


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as slower.

    Attributes:
        slower_than: relative slowdown that the estimate must exceed.
        floor: relative slowdown that the lower confidence bound must exceed.
        confidence: of the one-sided bound, for all cases judged together.
        between_runs: stands in for `slower_than` between two reports. The same run twice gave
            ratios that were 1.8 % apart in the median of 16 and up to 9 and 16 % at most: memory
            lies elsewhere, and a neighbour slows one upsampler more than another. The samples of
            one run do not show that.
        elsewhere: the same between reports from two machines.
    """

    slower_than: float = 0.04
    floor: float = 0.02
    confidence: float = 0.99
    between_runs: float = 0.20
    elsewhere: float = 0.30


class Rounds(msgspec.Struct, frozen=True):
    """Seconds a call, `[process][round]`, of base, head and a second base, taken in turns."""

    base: list[list[float]]
    head: list[list[float]]
    control: list[list[float]]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on head against base, and what it rests on.

    Attributes:
        ratio: head over base, with one-sided bounds at the corrected confidence.
        control: base over base; `confidence` is two-sided 95 %.
        scatter: standard deviation of a single round's log-ratio within a process.
        reason: why the verdict is unclear; empty when it is not.
    """

    verdict: Verdict
    ratio: Interval
    control: Interval
    scatter: float
    reason: str = ""


def order(round_index: int) -> tuple[Side, ...]:
    """Who runs when in a round: head in the middle, the two bases changing sides every round."""
    return SIDES if round_index % 2 == 0 else SIDES[::-1]


def judge(ratio: Interval, thresholds: Thresholds, floor: float | None = None) -> Verdict:
    """What `ratio` (new over old) says. `floor` raises the thresholds' own.

    The two sides are mirror images: what is 5 % slower one way round is 5 % faster the other.
    """
    limit = math.log1p(thresholds.slower_than)
    least = math.log1p(thresholds.floor if floor is None else max(floor, thresholds.floor))
    estimate, low, high = (math.log(x) for x in (ratio.estimate, ratio.low, ratio.high))
    if estimate > limit and low > least:
        return "slower"
    if estimate < -limit and high < -least:
        return "faster"
    if -limit < low and high < limit:
        return "same"
    return "unclear"


def judge_rounds(
    rounds: Rounds, thresholds: Thresholds, *, cases: int = 1, seed: int = 0
) -> Judgement:
    """Judge one of `cases` cases from alternating rounds in several processes.

    Head is compared with the mean of the two bases that ran around it, so a steady drift cancels
    within each round. Bounds are one-sided, by a bootstrap over processes and then rounds, at the
    confidence that Bonferroni's correction for `cases` asks. A slowdown must exceed what base
    against base showed, and a control that is off by more than `slower_than` allows no verdict.

    Raises:
        ValueError: if processes or rounds are not as many as each other.
    """
    base, head, control = (_logs(part) for part in (rounds.base, rounds.head, rounds.control))
    if not base.shape == head.shape == control.shape:
        raise ValueError(f"`rounds` ({base.shape}, {head.shape}, {control.shape}) must match")
    rng = np.random.default_rng(seed)
    alpha = (1 - thresholds.confidence) / max(cases, 1)
    between = head - (base + control) / 2
    ratio = _interval(between, alpha, rng)
    checked = _interval(base - control, 0.025, rng)
    bias = math.expm1(abs(math.log(checked.estimate)))
    scatter = float(np.sqrt(between.var(axis=1, ddof=1).mean())) if base.shape[1] > 1 else 0.0
    verdict = judge(ratio, thresholds, floor=bias)
    reason = ""
    if bias > thresholds.slower_than:
        verdict, reason = "unclear", f"base against itself differs by {bias:.1%}: too noisy here"
    elif verdict == "unclear":
        reason = "the interval reaches from same to different: measure longer (--budget)"
    return Judgement(verdict=verdict, ratio=ratio, control=checked, scatter=scatter, reason=reason)


def ratio_of_ratios(new: Interval, old: Interval) -> Interval:
    """`new` over `old`, two independent ratios with 95 % intervals.

    The half-widths add in quadrature on the log scale, side by side (MOVER: Zou and Donner,
    Construction of confidence limits about effect measures, Statistics in Medicine 2008).
    """
    new_log, old_log = _log_interval(new), _log_interval(old)
    estimate = new_log.estimate - old_log.estimate
    below = math.hypot(new_log.estimate - new_log.low, old_log.high - old_log.estimate)
    above = math.hypot(new_log.high - new_log.estimate, old_log.estimate - old_log.low)
    return Interval(math.exp(estimate), math.exp(estimate - below), math.exp(estimate + above))


def _interval(values: Floats, alpha: float, rng: np.random.Generator) -> Interval:
    resamples = int(min(max(MIN_RESAMPLES, DRAWS_IN_TAIL / alpha), MAX_RESAMPLES))
    draws = resampled_nested_centres(values, rng, resamples)
    low, high = np.quantile(draws, [alpha, 1 - alpha])
    middle = nested_centre(values)
    return Interval(math.exp(middle), math.exp(min(low, middle)), math.exp(max(high, middle)))


def _logs(seconds: Sequence[Sequence[float]]) -> Floats:
    if not seconds or not seconds[0]:
        raise ValueError("`rounds` must hold at least one process with one round")
    return np.array([log_ratios(row, [1.0] * len(row)) for row in seconds])


def _log_interval(interval: Interval) -> Interval:
    return Interval(math.log(interval.estimate), math.log(interval.low), math.log(interval.high))
