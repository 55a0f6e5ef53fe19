"""A model of a noisy machine, to know what a plan of measurement can see before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dybench.verdict import SIDES, Rounds, Thresholds, judge_rounds, order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.verdict import Verdict


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine disturbs timings; all on the log scale, so about relative.

    Attributes:
        block: standard deviation of one block of calls.
        process: standard deviation of what a process keeps for its life.
        drift: range of a slow change over the whole measurement.
        spike_share: share of blocks that are disturbed. spike: mean size of such a disturbance.
    """

    block: float = 0.05
    process: float = 0.01
    drift: float = 0.10
    spike_share: float = 0.05
    spike: float = 0.5


def simulate(
    rng: np.random.Generator, processes: int, rounds: int, slowdown: float, noise: Noise
) -> Rounds:
    """Timings of a head that is `slowdown` (0.1 is 10 %) slower than its base."""
    blocks = processes * rounds * 3
    position = np.arange(blocks).reshape(processes, rounds, 3) / blocks
    phase, cycles = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 3)
    logs = noise.drift / 2 * np.sin(2 * np.pi * cycles * position + phase)
    logs += rng.normal(0, noise.block, logs.shape)
    hit = rng.random(logs.shape) < noise.spike_share
    logs += np.where(hit, np.log1p(rng.exponential(noise.spike, logs.shape)), 0.0)
    seconds: dict[str, list[list[float]]] = {name: [] for name in SIDES}
    kept = rng.normal(0, noise.process, (processes, 3))
    for process in range(processes):
        for name in SIDES:
            turns = [order(index).index(name) for index in range(rounds)]
            row = logs[process, np.arange(rounds), turns] + kept[process, SIDES.index(name)]
            if name == "head":
                row = row + np.log1p(slowdown)
            seconds[name].append(np.exp(row).tolist())
    return Rounds(**seconds)


def shares(
    slowdown: float,
    noise: Noise,
    *,
    looks: Sequence[int] = (6,),
    rounds: int = 10,
    thresholds: Thresholds | None = None,
    cases: int = 1,
    trials: int = 100,
    seed: int = 0,
) -> dict[Verdict, float]:
    """How often each verdict comes of `trials` simulated measurements.

    `looks` are the numbers of processes after which the verdict is asked for; an unclear one is
    followed by the next look.
    """
    rng = np.random.default_rng(seed)
    counts: dict[Verdict, float] = {"same": 0, "faster": 0, "slower": 0, "unclear": 0}
    for trial in range(trials):
        world = simulate(rng, max(looks), rounds, slowdown, noise)
        verdict: Verdict = "unclear"
        for look in looks:
            part = Rounds(world.base[:look], world.head[:look], world.control[:look])
            verdict = judge_rounds(
                part, thresholds or Thresholds(), cases=cases, seed=trial
            ).verdict
            if verdict != "unclear":
                break
        counts[verdict] += 1
    return {verdict: count / trials for verdict, count in counts.items()}
