"""The duel on fake workers and a fake clock: who is asked what, when it stops, what is said."""

from dataclasses import dataclass, field

import pytest

from dybench.duel import Duel, Exact, Prepared, WorkerError
from dybench.plan import Plan
from dybench.verdict import Thresholds
from tests.dybench.factories import make_measurement

CASES = [make_measurement(name).case for name in ("a", "b")]
SMALL = Plan(processes=4, most_processes=6, rounds=4, block_s=0.1)


@dataclass
class World:
    """Fake machines: how long a call takes by side and upsampler, and a log of what was asked."""

    seconds: dict = field(default_factory=dict)
    wobble: float = 0.0
    fails: dict = field(default_factory=dict)
    now: float = 0.0
    log: list = field(default_factory=list)
    closed: int = 0
    turn: int = 0

    def start(self, side):
        self.log.append(("start", side))
        self.now += 1.0
        return FakeWorker(self, side)


class FakeWorker:
    def __init__(self, world, side):
        self.world, self.side, self.case = world, side, None

    def ready(self):
        self.world.log.append(("ready", self.side))

    def prepare(self, case):
        self._may_fail(case, "prepare")
        self.case = case
        return Prepared(f"/{self.side}/up.py", 0.01)

    def exact(self):
        self.world.log.append(("exact", self.side, self.case.upsampler))
        return Exact(make_measurement(self.case.upsampler), 0.0)

    def time(self, calls, turn):
        world = self.world
        self._may_fail(self.case, "time")
        world.log.append(("time", self.side, calls, turn))
        world.turn += 1
        call_s = world.seconds.get((self.side, self.case.upsampler), 0.01)
        call_s *= 1 + world.wobble * (-1) ** (world.turn // 2)
        world.now += call_s * calls
        return call_s * calls

    def close(self):
        self.world.closed += 1

    def _may_fail(self, case, what):
        if self.world.fails.get((self.side, case.upsampler)) == what:
            raise WorkerError(f"no {what} on {self.side}")


def fight(world, plan=SMALL, cases=CASES, **options):
    duel = Duel(world.start, plan, Thresholds(), clock=lambda: world.now, **options)
    return duel.fight(cases)


def test_order_of_operations():
    world = World()
    bouts = fight(world, cases=CASES[:1])
    sides = ("base", "head", "control")
    assert world.log[:3] == [("start", side) for side in sides]  # side by side
    assert world.log[3:6] == [("ready", side) for side in sides]
    exact = [entry[1] for entry in world.log if entry[0] == "exact"]
    assert exact == ["base", "head"]  # once, in the first processes
    timed = [entry[1] for entry in world.log if entry[0] == "time"]
    assert timed[:6] == ["base", "head", "control", "control", "head", "base"]
    assert len(timed) == 4 * 4 * 3
    assert {entry[2] for entry in world.log if entry[0] == "time"} == {10}  # 0.1 s at 0.01 a call
    assert world.closed == 3 * 4
    assert bouts[0].judgement.verdict == "same"
    assert [len(rows) for rows in bouts[0].rounds.head] == [4] * 4


def test_a_round_stays_on_one_core_and_the_next_is_on_another():
    world = World()
    fight(world, cases=CASES[:1])
    turns = [entry[3] for entry in world.log if entry[0] == "time"]
    assert turns == [index for index in range(4) for _ in range(3)] * 4


def test_the_slow_case_is_found_and_the_other_is_not():
    slow, fine = fight(World(seconds={("head", "a"): 0.0115}))
    assert slow.judgement.verdict == "slower"
    assert slow.judgement.ratio.estimate == pytest.approx(1.15)
    assert fine.judgement.verdict == "same"


def test_only_unclear_cases_are_measured_further():
    world = World(seconds={("head", "a"): 0.0102, ("head", "b"): 0.01}, wobble=0.2)
    world.seconds[("head", "b")] = 0.02
    bouts = fight(world)
    assert bouts[1].judgement.verdict == "slower"
    assert len(bouts[1].rounds.head) == 4
    assert bouts[0].judgement.verdict == "unclear"
    assert len(bouts[0].rounds.head) == 6  # all the plan allows
    assert bouts[0].judgement.reason


def test_the_deadline_stops_it_and_is_named():
    world = World()
    bouts = fight(world, deadline=4.0)
    assert len(bouts[0].rounds.base) == 1
    assert bouts[0].judgement is None
    assert bouts[0].note == "the budget was spent after 1 of 4 processes"


def test_what_was_measured_by_the_deadline_is_judged():
    world = World(seconds={("head", "a"): 0.02, ("head", "b"): 0.02})
    per_triple = 3 + 2 * 4 * (0.1 + 0.2 + 0.1)
    bouts = fight(world, deadline=3 * per_triple - 0.5)
    assert len(bouts[0].rounds.base) == 3
    assert bouts[0].judgement.verdict == "slower"


def test_no_timing_takes_the_exact_figures_of_two_processes():
    world = World()
    bouts = fight(world, timed=False)
    assert not [entry for entry in world.log if entry[0] == "time"]
    assert [entry for entry in world.log if entry[0] == "start"] == [
        ("start", "base"),
        ("start", "head"),
    ]
    assert all(bout.base and bout.head and bout.judgement is None for bout in bouts)


@pytest.mark.parametrize("what", ["prepare", "time"])
def test_a_case_that_fails_leaves_the_others_alone(what):
    world = World(fails={("head", "a"): what})
    failed, fine = fight(world)
    assert failed.errors == {"head": f"no {what} on head"}
    assert failed.judgement is None
    assert fine.judgement.verdict == "same"


def test_code_from_elsewhere_is_not_timed():
    world = World()
    bouts = fight(world, own=lambda side, file: file.startswith("/base"))
    assert [bout.foreign for bout in bouts] == ["/head/up.py"] * 2
    assert not [entry for entry in world.log if entry[0] == "time"]


def test_workers_are_closed_when_interrupted():
    world = World()

    def interrupt(what):
        if "case 2" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fight(world, tell=interrupt)
    assert world.closed == 3
