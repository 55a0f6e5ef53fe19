"""Latency as a contest: contestants take turns in rounds of random order.

Whatever drifts (clocks, neighbours, temperature) then hits all of them alike, and the ratio to
the reference is free of it: the reference has a turn before and after every few contestants, and
each is compared with the two around it. A slow contestant sits out some rounds, evenly spread, so
that each gets about the same time.
"""

from __future__ import annotations

import math
import random
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dybench.result import Latency, Ratio
from dybench.statistics import median_interval, paired_ratio_interval, relative_spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dybench.measure.clocks import Reading
    from dybench.measure.timer import Call, Timer

CONFIDENCE = 0.95
WIDE_SPREAD = 0.15  # interquartile range over median from which a row carries a warning


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure.

    Attributes:
        budget_s: seconds of timed blocks for each contestant.
        block_s: seconds a block of calls should last, unless one call is longer.
        rounds: most rounds of the contest. min_rounds: fewest, whatever the budget says.
        between: contestants that have their turns between two turns of the reference.
        width: half-width of a contestant's relative interval below which it is measured well
            enough; 0 uses the whole budget.
        warmup_s: seconds of calls at most before the first round.
        timeout_s: seconds after which a single call is given up on (noticed when it returns).
    """

    budget_s: float = 2.4
    block_s: float = 0.03
    rounds: int = 40
    min_rounds: int = 7
    between: int = 3
    width: float = 0.005
    warmup_s: float = 0.3
    timeout_s: float = 60.0


class Contestant:
    """One call to time, and what has been seen of it so far."""

    def __init__(self, name: str, call: Call) -> None:
        self.name = name
        self.call = call
        self.calls = 1  # in a block
        self.turns = 0  # rounds it shall take part in
        self.first_call_s: float | None = None
        self.samples: dict[int, float] = {}  # round → seconds a call
        self.anchor: Contestant | None = None  # the reference it is held against
        self.beside: dict[int, float] = {}  # round → the reference's seconds around its turn
        self.readings: dict[int, Reading] = {}  # round → the GPU's clock after it, the worst seen
        self.error: Exception | None = None
        self.timed_out = False

    @property
    def out(self) -> bool:
        """Whether it has left the contest."""
        return self.error is not None or self.timed_out


def contest(
    contestants: Sequence[Contestant],
    timer: Timer,
    pace: Pace,
    *,
    reference: str | None = None,
    seed: int = 0,
    sense: Callable[[], Reading | None] | None = None,
) -> Iterator[float]:
    """Measure the contestants against each other, yielding the share that is done, 0 to 1.

    `sense` reads the GPU's clock, and is asked after every block, outside of the timed span.
    The caller may stop iterating at any point (on Ctrl-C, say): what was measured by then is in
    the contestants. One whose call raises leaves the contest with its error; the others go on.
    """
    order = random.Random(seed)  # noqa: S311 - not cryptography
    for done, contestant in enumerate(contestants, start=1):
        _warm_up(contestant, timer, pace)
        yield 0.25 * done / len(contestants)
    anchor = next((c for c in contestants if c.name == reference), None)
    rivals = [c for c in contestants if c is not anchor]
    for rival in rivals:
        rival.anchor = anchor
    rounds = _plan(contestants, pace, anchor)
    for index in range(rounds):
        taking_part = [c for c in rivals if not c.out and _takes_part(c, index, rounds)]
        order.shuffle(taking_part)
        _hold_round(index, taking_part, anchor, partial(_take_turn, timer, sense, index), pace)
        if index + 1 >= pace.min_rounds and _all_narrow(rivals, anchor, pace):
            break
        yield 0.25 + 0.75 * (index + 1) / rounds
    yield 1.0


def _warm_up(contestant: Contestant, timer: Timer, pace: Pace) -> None:
    """Call until two blocks in a row agree or the time is up, then fix the block's length."""

    def warm() -> None:
        contestant.first_call_s = timer.time(contestant.call, 1)
        if contestant.first_call_s > pace.timeout_s:
            contestant.timed_out = True
            return
        once = timer.time(contestant.call, 1)
        spent, calls, before = once, 1, once
        while spent < pace.warmup_s:
            calls = max(1, math.ceil(pace.warmup_s / 8 / max(before, 1e-9)))
            block = timer.time(contestant.call, calls)
            spent += block
            settled = abs(block / calls - before) < 0.03 * before
            before = block / calls
            if settled:
                break
        shortest = max(pace.block_s, 100 * timer.overhead_s)
        contestant.calls = max(1, math.ceil(shortest / max(before, 1e-9)))
        affordable = pace.budget_s / max(pace.block_s, before)
        contestant.turns = int(max(pace.min_rounds, min(pace.rounds, affordable)))

    _attempt(contestant, warm)


def _plan(contestants: Sequence[Contestant], pace: Pace, anchor: Contestant | None) -> int:
    """How many rounds there are; the reference takes part in each of them."""
    rounds = max((c.turns for c in contestants if not c.out), default=0)
    rounds = max(rounds, pace.min_rounds) if rounds else 0
    if anchor is not None:
        anchor.turns = rounds
    return rounds


def _takes_part(contestant: Contestant, index: int, rounds: int) -> bool:
    """Spread a contestant's turns evenly over the rounds."""
    return (index + 1) * contestant.turns // rounds > index * contestant.turns // rounds


def _hold_round(
    index: int,
    rivals: Sequence[Contestant],
    anchor: Contestant | None,
    turn: Callable[[Contestant], float | None],
    pace: Pace,
) -> None:
    """Let the rivals take their turns, a few at a time between turns of the reference."""
    if anchor is None or anchor.out:
        for rival in rivals:
            turn(rival)
        return
    turns = [turn(anchor)]
    for start in range(0, len(rivals), pace.between):
        few = rivals[start : start + pace.between]
        for rival in few:
            turn(rival)
        turns.append(turn(anchor))
        before, after = turns[-2:]
        if before is None or after is None:
            break
        for rival in few:
            if index in rival.samples:
                rival.beside[index] = math.sqrt(before * after)
    known = [seconds for seconds in turns if seconds is not None]
    if known:  # one block, as everybody has, and not always the one that begins a round
        anchor.samples[index] = known[index % len(known)]


def _take_turn(
    timer: Timer, sense: Callable[[], Reading | None] | None, index: int, contestant: Contestant
) -> float | None:
    """Time a block of a contestant; return its seconds a call, None if it leaves the contest."""

    def time() -> None:
        contestant.samples[index] = timer.time(contestant.call, contestant.calls) / contestant.calls

    _attempt(contestant, time)
    if contestant.out:
        return None
    if sense is not None and (reading := sense()) is not None:
        earlier = contestant.readings.get(index)  # of the reference, which has several turns
        if earlier is None or not earlier.throttling:
            contestant.readings[index] = reading
    return contestant.samples[index]


def _attempt(contestant: Contestant, act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever a user's module raises ends its row only
        contestant.error = error


def _all_narrow(rivals: Sequence[Contestant], anchor: Contestant | None, pace: Pace) -> bool:
    """Whether every ratio to the reference (or every latency, without one) is known well."""
    staying = [c for c in rivals if not c.out]
    if anchor is not None and not anchor.out and not staying:
        return _is_narrow(anchor, pace)
    return all(_is_narrow(c, pace) for c in staying)


def _is_narrow(contestant: Contestant, pace: Pace) -> bool:
    pairs = contestant.beside or dict.fromkeys(contestant.samples, 1.0)
    values = [math.log(contestant.samples[i] / beside) for i, beside in pairs.items()]
    if len(values) < pace.min_rounds:
        return False
    interval = median_interval(values)
    return (interval.high - interval.low) / 2 < pace.width


def summarise(contestant: Contestant) -> Latency | None:
    """Median, interval and samples of a contestant; None if it was never timed."""
    rounds = sorted(contestant.samples)
    if not rounds:
        return None
    samples = [contestant.samples[i] for i in rounds]
    interval = median_interval(samples)
    readings = contestant.readings
    clocks = [reading.clock_mhz for reading in readings.values()]
    return Latency(
        median=interval.estimate,
        low=interval.low,
        high=interval.high,
        samples=samples,
        throttled=[at for at, i in enumerate(rounds) if i in readings and readings[i].throttling],
        clock_mhz=[min(clocks), max(clocks)] if clocks else [],
    )


def relative(contestant: Contestant, to: Contestant) -> Ratio | None:
    """Latency relative to `to`, from the rounds both took part in; None if there are none.

    Relative to the reference, each sample is held against the reference's turns around it.
    """
    if contestant is to:
        return Ratio(to=to.name, ratio=1.0, low=1.0, high=1.0) if to.samples else None
    theirs = contestant.beside if contestant.anchor is to else to.samples
    shared = sorted(contestant.samples.keys() & theirs.keys())
    if not shared:
        return None
    ours = [contestant.samples[i] for i in shared]
    interval = paired_ratio_interval(ours, [theirs[i] for i in shared])
    return Ratio(
        to=to.name,
        ratio=interval.estimate,
        low=interval.low,
        high=interval.high,
        samples=[contestant.samples[i] / theirs[i] for i in shared],
    )


def few_rounds_note(contestant: Contestant) -> str | None:
    """A note when there are too few rounds for an interval of 95 %: even the widest covers less."""
    rounds = len(contestant.samples)
    covered = 1 - 2 ** (1 - rounds)  # of the median, by the smallest and the largest sample
    if rounds == 0 or covered >= CONFIDENCE:
        return None
    if rounds == 1:
        return "one round only: it says nothing of its own scatter (--budget, --rounds)"
    return f"{rounds} rounds only: its intervals cover {covered:.0%}, not 95% (--budget, --rounds)"


def spread_warning(contestant: Contestant) -> str | None:
    """A note when the samples scatter widely, and what to do about it."""
    samples = list(contestant.samples.values())
    if len(samples) < 3:
        return None
    spread = relative_spread(samples)
    if spread <= WIDE_SPREAD:
        return None
    return (
        f"latency spread {spread:.0%}: close other programs or measure longer (--budget); "
        "the ratio suffers less than the milliseconds"
    )
