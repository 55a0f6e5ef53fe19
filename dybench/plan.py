"""How much to measure in the time there is, and what that lets one see."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

from dybench.simulation import Noise, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.verdict import Thresholds

START_S = 2.5  # three processes that import torch side by side on two cores
PREPARE_S = 1.0  # building, warming up and finding the length of a block, three times
OVERHEAD = 1.35  # a fifth to warm up before each block, and the asking
MARGIN = 0.85
ROUND_VARIANCE = 1.5  # of a round's ratio, in blocks': head's, and half of each base's


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How `check --against` measures.

    Attributes:
        processes: triples of processes (base, head, base) before the first verdict.
        most_processes: triples at most; the further ones are for cases still unclear.
        rounds: rounds in each. block_s: seconds each of the three times in a round.
    """

    processes: int = 6
    most_processes: int = 10
    rounds: int = 20
    block_s: float = 0.05

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of triples after which a verdict is asked for."""
        return tuple(range(self.processes, self.most_processes + 1, 2))

    def expected_s(self, cases: int) -> float:
        """Seconds until the first verdict on `cases` cases, roughly."""
        each = PREPARE_S + OVERHEAD * 3 * self.rounds * self.block_s
        return self.processes * (START_S + cases * each)


# From the best down; the last is the least that a verdict can rest on.
# Many short rounds rather than few long ones: what disturbs a shared machine lasts for seconds,
# and cancels the better the faster the sides take turns.
LADDER = (
    Plan(),
    Plan(block_s=0.03),
    Plan(processes=5, block_s=0.025, most_processes=9),
    Plan(processes=5, rounds=14, block_s=0.02, most_processes=7),
    Plan(processes=4, rounds=10, block_s=0.02, most_processes=4),
)


def fit(budget_s: float, cases: int) -> Plan:
    """The best plan whose first verdicts on `cases` cases come within the budget."""
    return next((p for p in LADDER if p.expected_s(cases) <= MARGIN * budget_s), LADDER[-1])


def power(
    plan: Plan,
    thresholds: Thresholds,
    *,
    cases: int,
    slowdown: float = 0.10,
    noise: Noise | None = None,
    trials: int = 40,
) -> float:
    """Share of simulated slowdowns that the plan's first look calls slower."""
    found = shares(
        slowdown,
        noise or Noise(),
        looks=(plan.processes,),
        rounds=plan.rounds,
        thresholds=thresholds,
        cases=cases,
        trials=trials,
    )
    return found["slower"]


def promise(plan: Plan, thresholds: Thresholds, *, cases: int, budget_s: float) -> list[str]:
    """What will be measured, how long it takes, and what it can see on a noisy machine."""
    expected_s = plan.expected_s(cases)
    noun = "case" if cases == 1 else "cases"
    seen = power(plan, thresholds, cases=cases)
    lines = [
        (
            f"{cases} {noun}, {plan.processes} processes × {plan.rounds} rounds × "
            f"{plan.block_s * 1e3:.0f} ms: about {_time(expected_s)} of {_time(budget_s)}"
        ),
        f"where blocks scatter by {Noise().block:.0%}, that sees {seen:.0%} of 10 % slowdowns",
    ]
    if expected_s > budget_s:
        lines.append("the budget is short for so many cases: some will stay unclear")
    return lines


def experience(plan: Plan, thresholds: Thresholds, *, cases: int, scatters: Sequence[float]) -> str:
    """What could be seen, given how much the rounds really scattered."""
    block = median(scatters) / ROUND_VARIANCE**0.5
    noise = Noise(block=block, drift=0.0, spike_share=0.0)
    seen = power(plan, thresholds, cases=cases, noise=noise)
    return f"blocks scattered by {block:.1%}: at that, {seen:.0%} of 10 % slowdowns are seen"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
