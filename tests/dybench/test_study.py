"""The study resumes, saves each trial, and plants what it says."""

import json
from pathlib import Path

import msgspec
import pytest
import torch

import dybench
from dybench import planting, study
from dybench.errors import DybenchError
from dybench.statistics import Interval
from dybench.views.study import render
from tests.dybench.factories import make_measurement, make_report
from tests.dybench.repositories import commit, git, make_repository


def trial(setting, **fields):
    values = {"planted": 0.0, "exit_code": 0, "seconds": 30.0, "regressions": 0}
    return study.Trial(setting=setting, exact_regressions=0, **(values | fields))


def test_the_whole_study_has_what_the_evidence_asks():
    whole = list(study.settings(20))
    assert len(whole) == len(set(whole))
    for condition in ("idle", "busy"):
        mine = [s for s in whole if s.condition == condition]
        assert sum(s.kind == "same" for s in mine) == 20
        for slowdown in (0.05, 0.10, 0.20):
            assert sum(s.slowdown == slowdown for s in mine) == 20
        assert {"allocation", "convolution", "product"} <= {s.kind for s in mine}


@pytest.fixture
def no_measuring(monkeypatch, tmp_path):
    """Everything but the trials themselves."""
    monkeypatch.chdir(make_repository(tmp_path / "repository"))
    monkeypatch.setattr(study, "_calibrated", dict)
    ran = []

    def run(setting, clone, base, work):
        ran.append(setting)
        if len(ran) == 4:
            raise KeyboardInterrupt
        return trial(setting)

    monkeypatch.setattr(study, "_run", run)
    return ran


def test_it_goes_on_where_it_was_interrupted(no_measuring, tmp_path):
    output = tmp_path / "study.json"
    arguments = {"output": output, "trials": 1, "only": None}
    with pytest.raises(KeyboardInterrupt):
        study.main(limit=None, **arguments)
    assert len(study.load(output).trials) == 3
    study.main(limit=3, **arguments)
    assert no_measuring[4:] == list(study.settings(1))[3:6]
    assert len(study.load(output).trials) == 6
    assert output.with_suffix(".md").read_text(encoding="utf-8").count("| idle |") == 6


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DybenchError, match="is no study"):
        study.load(path)
    assert path.read_text(encoding="utf-8") == "[]"


def test_the_table_counts_what_was_caught():
    slow = study.Setting("idle", "slower", 0.1, 0)
    again = msgspec.structs.replace(slow, number=1)
    trials = [
        trial(slow, exit_code=3, verdict="slower", ratio=Interval(1.11, 1.0, 1.2)),
        trial(again, verdict="unclear", ratio=Interval(1.07, 1.0, 1.2)),
        trial(study.Setting("idle", "same", 0.0, 0), verdict="same"),
    ]
    repeat = study.Repeat(rows=16, median=0.011, largest=0.034, seconds=100.0)
    text = render(study.Study(trials=trials, repeat=repeat))
    assert "| idle | 10% slower | 1 of 2 | 1 | +9.0 % (+7.0 to +11.0) | 30 s |" in text
    assert "| idle | nothing (A/A) | 0 of 1 | 0 | – | 30 s |" in text
    assert "differ by 1.1% in the median of 16 rows, 3.4% at most" in text


def test_repeatability_leaves_the_reference_out():
    def report(*ratios):
        rows = [make_measurement("bilinear", ratio=1.0)]
        return make_report(
            rows + [make_measurement(f"u{i}", ratio=r) for i, r in enumerate(ratios)]
        )

    repeat = study.repeat_of(report(1.0, 2.0, 3.0), report(1.01, 2.06, 3.0), seconds=1.0)
    assert repeat.rows == 3
    assert repeat.median == pytest.approx(0.01)
    assert repeat.largest == pytest.approx(0.03)


@pytest.mark.parametrize("kind", ["slower", *planting.EXACT])
def test_what_is_planted_runs_and_leaves_the_result_alone(kind, tmp_path):
    """On a copy of the operator's own module, in a repository of its own."""
    source = Path(dybench.__file__).parent.parent / planting.MODULE
    repository = make_repository(tmp_path / "repository")
    (repository / planting.MODULE).parent.mkdir(parents=True)
    commit(repository, {planting.MODULE: source.read_text(encoding="utf-8")}, "operator")
    clone = tmp_path / "clone"
    base = planting.clone(repository, clone)
    text = planting.slowdown(100) if kind == "slower" else planting.exact(kind)
    planting.plant(clone, base, text)
    assert git(clone, "rev-parse", "HEAD~1") == base
    x = torch.randn(1, 8, 6, 5)
    results = []
    for folder in (repository, clone):
        scope = {"__name__": "planted"}
        exec((folder / planting.MODULE).read_text(encoding="utf-8"), scope)
        torch.manual_seed(0)
        results.append(scope["DySample"](8)(x))
    assert torch.equal(*results)
    planting.plant(clone, base, "")
    assert git(clone, "rev-parse", "HEAD") == base


def test_the_planted_share_is_measured(monkeypatch):
    monkeypatch.setattr("dybench.measure.allocator.keep_freed_memory", lambda: False)
    monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
    work, share = planting.calibrate(16, 32, 0.5, seconds=0.4)
    assert 0 < work <= 16 * 64 * 64
    assert share > 0


def test_the_file_is_plain_json(tmp_path):
    study.save(
        study.Study(trials=[trial(study.Setting("idle", "same", 0.0, 0))]), tmp_path / "s.json"
    )
    document = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert document["schema"] == "dybench-study/1"
    assert document["trials"][0]["setting"]["kind"] == "same"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", '{"schema": "dybench/1", "created": "now", "measurements": []}'),
        ("s.json", '{"a": 1}'),
        ("s.json", "[]"),
        ("s.md", "notes of my own"),
    ],
)
def test_what_is_no_study_is_left_alone(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DybenchError, match=r"is no study|name another file"):
        study.load(tmp_path / "s.json")


def test_a_condition_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(DybenchError, match="must be one of idle, busy"):
        study.main(output=tmp_path / "s.json", only="bsy", trials=1, limit=0)
