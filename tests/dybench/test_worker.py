"""The worker's protocol, in this process."""

from io import BytesIO

import msgspec
import pytest

from dybench.case import Case
from dybench.duel import Exact, Prepared
from dybench.worker import serve
from tests.dybench.repositories import PLUGIN

CASE = Case(upsampler="bilinear", channels=4, height=6, width=5, scale=2)


@pytest.fixture
def taken(monkeypatch):
    """The cores that the worker moved to, of two that are made up."""
    cores = []
    monkeypatch.setattr("dybench.worker._cores", lambda: [3, 5])
    monkeypatch.setattr("os.sched_setaffinity", lambda _, mask: cores.append(mask), raising=False)
    return cores


@pytest.fixture
def ask(monkeypatch, taken):
    monkeypatch.setattr("dybench.measure.allocator.keep_freed_memory", lambda: False)
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)

    def run(*requests):
        answers = BytesIO()
        serve(BytesIO(b"\n".join(msgspec.json.encode(r) for r in requests)), answers)
        return [msgspec.json.decode(line) for line in answers.getvalue().splitlines()]

    return run


START = {"do": "start", "threads": 1, "seed": 0}


def test_a_case_is_prepared_timed_and_measured(ask):
    _, prepared, timed, exact = ask(
        START,
        {"do": "prepare", "case": CASE},
        {"do": "time", "calls": 3, "turn": 1},
        {"do": "exact"},
    )
    assert msgspec.convert(prepared, Prepared).file.endswith("__init__.py")
    assert timed["seconds"] > 0
    figures = msgspec.convert(exact, Exact)
    assert figures.row.flops == 4 * 4 * 12 * 10
    assert figures.row.params == 0
    assert figures.row.latency_s is None
    assert figures.naive_deviation == 0.0


@pytest.mark.parametrize(("threads", "moves"), [(1, [{3}, {5}, {3}]), (2, [])])
def test_the_cores_take_turns_unless_the_threads_need_them_all(ask, taken, threads, moves):
    times = [{"do": "time", "calls": 1, "turn": turn} for turn in range(3)]
    ask({**START, "threads": threads}, {"do": "prepare", "case": CASE}, *times)
    assert taken == moves


def test_a_plug_in_tells_its_file(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PLUGIN, encoding="utf-8")
    case = msgspec.structs.replace(CASE, upsampler="mine.py:Up")
    _, prepared = ask(START, {"do": "prepare", "case": case})
    assert prepared["file"] == str((tmp_path / "mine.py").resolve())


def test_what_goes_wrong_is_an_answer_and_it_goes_on(ask):
    impossible = msgspec.structs.replace(CASE, upsampler="nope")
    answers = ask(
        START,
        {"do": "time", "calls": 1, "turn": 0},
        {"do": "prepare", "case": impossible},
        {"do": "dance"},
        {"do": "prepare", "case": CASE},
    )
    assert answers[1]["error"] == "RuntimeError: nothing is prepared"
    assert "no upsampler is called 'nope'" in answers[2]["error"]
    assert "must be start, prepare, exact or time" in answers[3]["error"]
    assert answers[4]["seconds"] > 0
