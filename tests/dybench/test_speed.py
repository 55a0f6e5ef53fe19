"""The side-by-side benchmark: same weights, same figures out of both, honest verdicts."""

import msgspec
import pytest
import torch

from dybench.errors import DybenchError
from dybench.measure.latency import Pace
from dybench.scenes import CARAFE_SCENE, LAYOUTS, PAIRS, PL8, REPLAYED, SCENES, Scene, pair, target
from dybench.speed import Row, SpeedReport, load, run_scene, speed
from dybench.views.speed import render_machine, render_result, render_table

CPU = torch.device("cpu")
PACE = Pace(budget_s=0.01, block_s=0.001, rounds=3, min_rounds=2, warmup_s=0.002)


@pytest.mark.parametrize("scene", [*SCENES, CARAFE_SCENE], ids=lambda scene: scene.title)
def test_ours_and_the_yardstick_compute_the_same(scene: Scene) -> None:
    ours, yardstick = pair(scene)
    x = torch.randn(1, scene.channels, 6, 7)
    with torch.no_grad():
        assert torch.allclose(ours(x), yardstick(x), atol=1e-4)


SMALL = Scene(channels=16, height=6, width=7)


def test_a_scene_gives_every_ratio_the_memory_and_the_bandwidth() -> None:
    result = run_scene(SMALL, CPU, PACE)
    assert {(row.ours, row.against) for row in result.rows} >= {
        ("ours, NCHW", "reference"),
        ("ours, channels_last", "reference"),
        ("ours, channels_last", "bilinear, NCHW"),
    }
    assert all(row.low <= row.ratio <= row.high for row in result.rows)
    assert set(result.memory_overhead) == {"reference", "ours, NCHW", "ours, channels_last"}
    assert result.seconds.keys() > result.memory_overhead.keys()
    movers = {f"{who}, {layout}" for who in ("ours", "bilinear") for layout in LAYOUTS}
    assert set(result.bandwidth) == movers
    # Input and output are 5/4 of the output, and a copy of it moves it twice.
    copied = next(row for row in result.rows if row.against == "copy of the output")
    share = result.bandwidth["ours, channels_last"]
    assert share.estimate == pytest.approx(5 / 8 / copied.ratio)
    assert share.low <= share.estimate <= share.high


def test_replays_are_timed_beside_the_calls_and_held_to_the_same_targets() -> None:
    def capture(call, device):
        assert device == CPU
        return call

    result = run_scene(SMALL, CPU, PACE, capture=capture)
    targets = {(row.ours, row.against): row.target for row in result.rows}
    replayed = {pair: value for pair, value in targets.items() if pair[0].endswith(REPLAYED)}
    assert replayed == {(a + REPLAYED, b + REPLAYED): targets[a, b] for a, b in PAIRS}
    assert not any(name.endswith(REPLAYED) for name in result.memory_overhead)
    report = SpeedReport(created="now", machine={}, freed_memory_kept=True, results=[result])
    lines = render_table(report).splitlines()
    assert [line.count("|") for line in lines] == [7, 7, 7]
    assert "NCHW (CUDA graph) | channels_last (CUDA graph)" in lines[0]


def test_what_cannot_be_captured_is_said_and_left_out(capsys) -> None:
    def capture(call, device):
        raise RuntimeError("it synchronises")

    result = run_scene(SMALL, CPU, PACE, capture=capture)
    assert not any(row.ours.endswith(REPLAYED) for row in result.rows)
    said = capsys.readouterr().err
    assert "reference cannot be captured as a CUDA graph: it synchronises" in said


def test_implementations_are_timed_by_name_when_asked_for() -> None:
    result = run_scene(SMALL, CPU, PACE, paths=("torch", "gather"))
    named = {row.ours for row in result.rows if row.ours.endswith(("torch", "gather"))}
    assert named == {
        f"ours, {layout}, {path}" for layout in LAYOUTS for path in ("torch", "gather")
    }


def test_the_table_and_the_page_are_of_what_is_saved(tmp_path) -> None:
    result = run_scene(SMALL, CPU, PACE)
    report = SpeedReport(created="now", machine={}, freed_memory_kept=True, results=[result])
    path = tmp_path / "speed.json"
    path.write_bytes(msgspec.json.encode(report))
    assert load(path) == report
    row = next(r for r in result.rows if (r.ours, r.against) == ("ours, NCHW", "reference"))
    shown = f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"
    assert render_table(report).splitlines()[2].startswith(f"| {SMALL.title} | {shown} |")
    page = render_result(result)
    assert f"| ours, NCHW | reference | {shown} | ≤ 1 | {row.verdict} |" in page
    assert "Bandwidth (input and output, once each), of a copy's: ours, NCHW" in page


@pytest.mark.parametrize(
    ("device", "line"),
    [("cpu", "Xeon, 2 threads, torch 2.13"), ("cuda:0", "H200, CUDA 12.8, Xeon, 2 threads, torch")],
)
def test_the_machine_is_named(device, line) -> None:
    gpu = {"name": "H200", "cuda": "12.8"}
    facts = {"cpu": "Xeon", "threads": 2, "packages": {"torch": "2.13"}, "gpus": [gpu]}
    assert render_machine(facts, device).startswith(line)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1"])
def test_what_is_no_report_is_one_line(tmp_path, content) -> None:
    path = tmp_path / "speed.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DybenchError, match=r"^cannot read .*speed\.json: "):
        load(path)


@pytest.mark.parametrize(
    ("low", "high", "target", "verdict"),
    [
        (0.3, 0.4, 0.45, "met"),
        (0.4, 0.5, 0.45, "unclear"),
        (0.5, 0.6, 0.45, "missed"),
        (0.5, 0.6, None, ""),
    ],
)
def test_a_target_is_met_by_the_whole_interval(low, high, target, verdict) -> None:
    middle = (low + high) / 2
    row = Row(scene="", ours="", against="", ratio=middle, low=low, high=high, target=target)
    assert row.verdict == verdict


def test_the_targets_are_those_that_were_set() -> None:
    full, small = Scene(), Scene(channels=64)
    assert target(full, "ours, channels_last", "reference", CPU) == 0.45
    assert target(small, "ours, channels_last", "reference", CPU) == 1.0
    assert target(full, "ours, NCHW", "reference", CPU) == 1.0
    corner = Scene(channels=64, height=32, width=32, options=PL8)
    assert target(corner, "ours, channels_last", "reference", CPU) == 1.0
    assert target(CARAFE_SCENE, "ours, channels_last", "reference", CPU) == 0.25
    cuda = torch.device("cuda")
    assert target(full, "ours, NCHW", "reference", cuda) == 0.33
    assert target(full, "ours, NCHW", "bilinear, NCHW", cuda) == 1.3


def test_a_report_that_exists_is_refused_before_anything_is_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dybench.speed.run_scene", lambda *_: pytest.fail("measured"))
    path = tmp_path / "speed.json"
    path.write_text("precious")
    with pytest.raises(DybenchError, match="exists already; --force replaces it"):
        speed(output=path)
    assert path.read_text() == "precious"


def test_what_is_done_is_kept_when_a_scene_is_interrupted(tmp_path, monkeypatch, capsys) -> None:
    results = [run_scene(SMALL, CPU, PACE)]

    def one_and_then_ctrl_c(*_arguments, **_options):
        if not results:
            raise KeyboardInterrupt
        return results.pop()

    monkeypatch.setattr("dybench.speed.run_scene", one_and_then_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        speed(output=tmp_path / "speed.json")
    assert [result.scene for result in load(tmp_path / "speed.json").results] == [SMALL.title]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": "no such scene"}, "no scene's title holds it"),
        ({"device": "tpu"}, "must be auto, cpu or cuda:N"),
        ({"device": "cuda:77"}, "this machine has"),
    ],
)
def test_what_cannot_be_measured_is_one_line(options, said) -> None:
    with pytest.raises(DybenchError, match=said):
        speed(**options)
