"""Waiting for a core is taken off, sleeping is not."""

import threading
import time

import pytest

from dybench.measure.waiting import UninterruptedTimer, waited_s


class Clock:
    """A thread that waits `each` seconds a call, by a schedstat of its own."""

    def __init__(self, each):
        self.each, self.total = each, 0.0

    def call(self):
        time.sleep(0.002)
        self.total += self.each


def test_the_waiting_is_taken_off(monkeypatch):
    clock = Clock(each=0.001)
    timer = UninterruptedTimer(lambda: clock.total)
    monkeypatch.setattr("dybench.measure.timer.CpuTimer.time", lambda self, call, n: call() or 0.5)
    assert timer.time(clock.call, 1) == pytest.approx(0.499)


@pytest.mark.parametrize("each", [0.5, 0.7])
def test_more_waiting_than_time_is_not_believed(monkeypatch, each):
    clock = Clock(each=each)
    timer = UninterruptedTimer(lambda: clock.total)
    monkeypatch.setattr("dybench.measure.timer.CpuTimer.time", lambda self, call, n: call() or 0.5)
    assert timer.time(clock.call, 1) == 0.5


def test_without_a_count_it_is_the_wall_clock():
    timer = UninterruptedTimer(lambda: None)
    assert timer.time(lambda: time.sleep(0.01), 2) >= 0.02


def test_sleeping_is_the_programs_own_doing():
    if waited_s() is None:
        pytest.skip("this kernel keeps no schedstat")
    assert UninterruptedTimer().time(lambda: time.sleep(0.05), 1) >= 0.045


def test_the_count_is_of_this_thread_and_never_falls():
    if waited_s() is None:
        pytest.skip("this kernel keeps no schedstat")
    before = waited_s()
    thread = threading.Thread(target=lambda: sum(range(10**5)))
    thread.start()
    thread.join()
    assert waited_s() >= before


def test_no_schedstat_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr("dybench.measure.waiting.SCHEDSTAT", tmp_path / "none")
    assert waited_s() is None
    (tmp_path / "none").write_bytes(b"")
    assert waited_s() is None
