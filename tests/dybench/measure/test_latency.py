"""The contest on a fake clock: exact, instant, no wall time."""

from __future__ import annotations

import itertools

import pytest

from dybench.measure.clocks import Reading
from dybench.measure.latency import (
    Contestant,
    Pace,
    contest,
    relative,
    spread_warning,
    summarise,
)

DEFAULT = Pace()


class FakeTimer:
    """Time is what `cost[name]` says a call takes; `log` is who was timed when."""

    overhead_s = 1e-7

    def __init__(self, cost) -> None:
        self.cost = cost
        self.log: list[tuple[str, int]] = []
        self.now = 0.0

    def time(self, call, calls: int) -> float:
        name = call()
        self.log.append((name, calls))
        seconds = self.cost(name, self.now, len(self.log)) * calls
        self.now += seconds
        return seconds


def contestants(*names: str) -> list[Contestant]:
    return [Contestant(name, lambda name=name: name) for name in names]


def hold(timer: FakeTimer, entrants, pace: Pace = DEFAULT, **options) -> list[float]:
    return list(contest(entrants, timer, pace, **options))


def constant(**seconds: float):
    return lambda name, now, turn: seconds[name]


def test_ratio_of_two_steady_calls_is_exact() -> None:
    a, b = entrants = contestants("a", "b")
    hold(FakeTimer(constant(a=0.01, b=0.005)), entrants, reference="a")
    assert relative(b, a).ratio == pytest.approx(0.5)
    assert relative(b, a).low == pytest.approx(0.5)
    assert summarise(b).median == pytest.approx(0.005)
    assert relative(a, a).ratio == 1.0


def test_blocks_are_as_long_as_asked_and_at_least_a_hundred_overheads() -> None:
    timer = FakeTimer(constant(a=0.001))
    entrants = contestants("a")
    hold(timer, entrants, Pace(block_s=0.03))
    assert entrants[0].calls == 30
    timer = FakeTimer(constant(a=0.001))
    timer.overhead_s = 0.001
    entrants = contestants("a")
    hold(timer, entrants, Pace(block_s=0.03))
    assert entrants[0].calls == 100


def test_rounds_are_in_random_order_and_repeatable() -> None:
    def order(seed: int) -> list[str]:
        timer = FakeTimer(constant(a=0.01, b=0.01, c=0.01))
        hold(timer, contestants("a", "b", "c"), Pace(width=0), reference="a", seed=seed)
        return [name for name, _ in timer.log]

    assert order(1) == order(1)
    assert order(1) != order(2)
    last = order(1)[-40:]
    rounds = [tuple(last[i : i + 4]) for i in range(0, 40, 4)]
    assert set(rounds) == {("a", "b", "c", "a"), ("a", "c", "b", "a")}


def test_the_reference_has_a_turn_around_every_few_contestants() -> None:
    names = ["a", *"bcdefgh"]
    timer = FakeTimer(lambda name, now, turn: 0.01)
    entrants = contestants(*names)
    hold(timer, entrants, Pace(width=0, between=3, rounds=8), reference="a")
    last = [name == "a" for name, _ in timer.log[-11:]]
    assert last == [True, *[False] * 3, True, *[False] * 3, True, False, True]
    assert all(len(c.beside) == len(c.samples) == 8 for c in entrants[1:])


def test_a_sample_is_held_against_the_turns_of_the_reference_around_it() -> None:
    turns = itertools.count()

    def cost(name: str, now: float, turn: int) -> float:
        return 0.01 if name == "b" else 0.01 * 4 ** (next(turns) % 2)

    a, b = entrants = contestants("a", "b")
    pace = Pace(width=0, rounds=8, min_rounds=8)
    hold(FakeTimer(cost), entrants, pace, reference="a")
    assert list(b.beside.values()) == pytest.approx([0.02] * 8)  # √(0.01 · 0.04)
    assert list(a.samples.values()) == pytest.approx([0.01, 0.04] * 4)  # one turn of each round
    assert relative(b, a).samples == pytest.approx([0.5] * 8)


def test_a_reference_that_fails_leaves_the_others_without_ratios_from_then_on() -> None:
    a, b = entrants = contestants("a", "b")

    def failing(name: str, now: float, turn: int) -> float:
        if name == "a" and len(b.samples) == 3:
            raise RuntimeError("out of luck")
        return 0.01

    hold(FakeTimer(failing), entrants, Pace(width=0), reference="a")
    assert str(a.error) == "out of luck"
    assert len(b.beside) == 2
    assert len(b.samples) == 40
    assert relative(b, a).ratio == pytest.approx(1.0)


def test_drift_hits_all_alike_and_leaves_the_ratio() -> None:
    def drifting(name: str, now: float, turn: int) -> float:
        return {"a": 0.02, "b": 0.01}[name] * (1 + 0.3 * now / 3)

    a, b = entrants = contestants("a", "b")
    hold(FakeTimer(drifting), entrants, Pace(width=0), reference="a")
    assert max(a.samples.values()) > 1.2 * min(a.samples.values())
    assert relative(b, a).ratio == pytest.approx(0.5, rel=0.02)


def test_a_spike_moves_neither_median_nor_ratio() -> None:
    def spiky(name: str, now: float, turn: int) -> float:
        return 0.01 * (20 if name == "b" and turn % 16 == 0 else 1)

    a, b = entrants = contestants("a", "b")
    hold(FakeTimer(spiky), entrants, Pace(width=0), reference="a")
    assert max(b.samples.values()) == pytest.approx(0.2)  # kept, not dropped
    assert summarise(b).median == pytest.approx(0.01)
    assert relative(b, a).ratio == pytest.approx(1.0, rel=0.02)


def test_it_stops_when_every_interval_is_narrow() -> None:
    timer = FakeTimer(constant(a=0.01, b=0.01))
    entrants = contestants("a", "b")
    hold(timer, entrants, Pace(min_rounds=7, rounds=40), reference="a")
    assert all(len(c.samples) == 7 for c in entrants)


def test_it_goes_on_while_an_interval_is_wide() -> None:
    noise = itertools.cycle([1.0, 1.3, 0.8, 1.1, 0.9])

    def noisy(name: str, now: float, turn: int) -> float:
        return 0.01 * next(noise) if name == "b" else 0.01

    entrants = contestants("a", "b")
    hold(FakeTimer(noisy), entrants, Pace(min_rounds=7, rounds=40, budget_s=100), reference="a")
    assert len(entrants[1].samples) == 40


def test_a_slow_contestant_takes_part_in_rounds_spread_evenly() -> None:
    entrants = contestants("a", "slow")
    pace = Pace(budget_s=1.2, block_s=0.03, rounds=40, min_rounds=4, width=0)
    hold(FakeTimer(constant(a=0.01, slow=0.3)), entrants, pace, reference="a")
    rounds = sorted(entrants[1].samples)
    assert len(entrants[0].samples) == 40
    assert rounds == [9, 19, 29, 39]


def test_a_contestant_that_raises_in_round_three_leaves_and_the_rest_go_on() -> None:
    a, b = entrants = contestants("a", "b")
    seen = 0

    def failing(name: str, now: float, turn: int) -> float:
        nonlocal seen
        if name == "b" and len(b.samples) == 2:
            seen += 1
            raise RuntimeError("out of luck")
        return 0.01

    hold(FakeTimer(failing), entrants, Pace(width=0), reference="a")
    assert str(b.error) == "out of luck"
    assert seen == 1
    assert len(b.samples) == 2
    assert len(a.samples) == 40


def test_one_that_fails_at_once_is_never_in_a_round() -> None:
    def failing(name: str, now: float, turn: int) -> float:
        if name == "b":
            raise ValueError("no")
        return 0.01

    a, b = entrants = contestants("a", "b")
    hold(FakeTimer(failing), entrants, reference="a")
    assert b.samples == {}
    assert summarise(b) is None
    assert relative(b, a) is None
    assert a.samples


def test_a_call_longer_than_the_timeout_leaves_the_contest() -> None:
    _, b = entrants = contestants("a", "b")
    hold(FakeTimer(constant(a=0.01, b=9.0)), entrants, Pace(timeout_s=5.0), reference="a")
    assert b.timed_out
    assert b.samples == {}


def test_stopping_half_way_keeps_what_was_measured() -> None:
    entrants = contestants("a", "b")
    running = contest(entrants, FakeTimer(constant(a=0.01, b=0.02)), Pace(width=0), reference="a")
    for _ in range(2 + 5):  # two warm-ups, five rounds
        next(running)
    running.close()
    assert len(entrants[0].samples) == 5
    assert relative(entrants[1], entrants[0]).ratio == pytest.approx(2.0)


def test_progress_rises_to_one() -> None:
    shares = hold(FakeTimer(constant(a=0.01, b=0.01)), contestants("a", "b"), reference="a")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_warm_up_goes_on_until_two_blocks_agree() -> None:
    def settling(name: str, now: float, turn: int) -> float:
        return 0.01 * (1 + 5 / turn**3)

    timer = FakeTimer(settling)
    entrants = contestants("a")
    hold(timer, entrants, Pace(warmup_s=10.0))
    assert entrants[0].first_call_s == pytest.approx(0.06)
    assert min(entrants[0].samples.values()) == pytest.approx(0.01, rel=0.05)


def test_a_wide_spread_is_said_and_what_to_do() -> None:
    (steady,) = contestants("a")
    steady.samples = dict(enumerate([1.0, 1.01, 0.99, 1.0]))
    assert spread_warning(steady) is None
    (wild,) = contestants("b")
    wild.samples = dict(enumerate([1.0, 1.6, 0.7, 1.3, 0.9, 2.0]))
    assert "close other programs" in spread_warning(wild)


def test_no_contestants_is_no_contest() -> None:
    assert hold(FakeTimer(constant()), []) == [1.0]


def test_the_clock_is_read_after_every_block_and_throttled_samples_are_marked() -> None:
    entrants = contestants("a", "b")
    readings = itertools.cycle([Reading(1980), None, Reading(1500, ("power cap",))])
    pace = Pace(rounds=6, min_rounds=6, width=0.0)
    hold(FakeTimer(constant(a=0.01, b=0.01)), entrants, pace, sense=lambda: next(readings))
    for entrant in entrants:
        found = summarise(entrant)
        held_back = [i for i, reading in entrant.readings.items() if reading.throttling]
        assert found.throttled == sorted(held_back)
        assert found.throttled
        assert len(found.samples) == 6  # marked, not dropped
        assert found.clock_mhz == [1500, 1980]


def test_without_clocks_nothing_is_said_of_them() -> None:
    (entrant,) = contestants("a")
    hold(FakeTimer(constant(a=0.01)), [entrant])
    assert summarise(entrant).throttled == []
    assert summarise(entrant).clock_mhz == []


def test_the_reference_is_as_robust_as_the_others() -> None:
    """A spike in one of its turns moves no more of it than of anybody else."""

    def spiky(name: str, now: float, turn: int) -> float:
        return 0.01 * (50 if turn % 10 == 0 else 1)

    names = ["a", *"bcdefg"]
    entrants = contestants(*names)
    hold(FakeTimer(spiky), entrants, Pace(width=0), reference="a")
    assert summarise(entrants[0]).median == pytest.approx(0.01)


def test_a_slow_first_call_costs_no_rounds() -> None:
    first = {"slow": True}

    def cost(name: str, now: float, turn: int) -> float:
        return 5.0 if name == "slow" and first.pop("slow", False) else 0.005

    entrants = contestants("a", "slow")
    hold(FakeTimer(cost), entrants, Pace(width=0, budget_s=3, rounds=60), reference="a")
    assert len(entrants[1].samples) == 60


def test_a_round_of_the_reference_is_marked_if_any_of_its_turns_was_throttled() -> None:
    readings = itertools.cycle([Reading(1500, ("power cap",)), Reading(1980), Reading(1980)])
    a, b = entrants = contestants("a", "b")
    pace = Pace(width=0, rounds=6, min_rounds=6)
    hold(FakeTimer(constant(a=0.01, b=0.01)), entrants, pace, reference="a",
         sense=lambda: next(readings))  # fmt: skip
    assert summarise(a).throttled == [0, 1, 2, 3, 4, 5]
    assert summarise(b).throttled == []
