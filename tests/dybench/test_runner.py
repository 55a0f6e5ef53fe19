"""The walk over the grid: what is isolated, what is saved, and what Ctrl-C leaves."""

from __future__ import annotations

import msgspec
import pytest
import torch

from dybench import runner
from dybench.case import Case, Grid
from dybench.conditions import Settings
from dybench.measure.clocks import Reading
from dybench.measure.latency import Contestant, Pace
from dybench.rows import with_kernels, with_latency
from dybench.sources import resolve
from dybench.subject import build, make_inputs, spread_offsets
from dysample import build_upsampler
from tests.dybench.factories import make_measurement

PACE = Pace(budget_s=0.02, block_s=0.001, rounds=4, min_rounds=2, warmup_s=0.002)
SETTINGS = Settings(pace=PACE)

PLUGINS = """
import torch
from torch import nn

class Nearest(nn.Module):
    def __init__(self, in_channels, scale):
        super().__init__()
        self.scale = scale
    def forward(self, x):
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)

class Guided(Nearest):
    guided = True
    def forward(self, x, guide):
        return super().forward(x) + guide

class Raises(Nearest):
    def forward(self, x):
        raise RuntimeError("broken on purpose\\nand verbose")

class RaisesLater(Nearest):
    calls = 0
    def forward(self, x):
        type(self).calls += not x.is_meta
        if type(self).calls > 6:
            raise RuntimeError("tired")
        return super().forward(x)

class WrongShape(Nearest):
    def forward(self, x):
        return x

class Interrupts(Nearest):
    def forward(self, x):
        if not x.is_meta:
            raise KeyboardInterrupt
        return super().forward(x)

class BadForward(Nearest):
    def forward(self, x):
        a, b = x.shape

class Threads(Nearest):
    def forward(self, x):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().forward(x)

class BadConstructor(nn.Module):
    def __init__(self):
        super().__init__()

class NoMeta(Nearest):
    def forward(self, x):
        float(x.sum())
        return super().forward(x)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("plugins") / "plugins.py"
    path.write_text(PLUGINS)
    return str(path)


def cases(*names: str, **axes) -> list[Case]:
    grid = Grid(upsamplers=names, **({"channels": [8], "sizes": [(4, 6)]} | axes))
    return [case for cell in grid.cells() for case in grid.cases(cell)]


def measure(*names: str, settings: Settings = SETTINGS, **axes):
    return runner.run(cases(*names, **axes), settings)


def test_a_row_holds_every_metric() -> None:
    report = measure("bilinear", "dysample")
    assert report.complete
    row = report.measurements[1]
    assert (row.status, row.params, row.params_weights) == ("ok", 288, 256)
    assert row.flops == (256 + 128) * 24
    assert row.peak_memory_kind == "cpu allocator"
    assert row.peak_memory_bytes >= 8 * 8 * 12 * 4
    assert row.predicted_cuda_peak_memory_bytes >= 8 * 8 * 12 * 4
    assert row.latency_s.low <= row.latency_s.median <= row.latency_s.high
    assert len(row.latency_s.samples) >= 2
    assert row.relative_latency.to == "bilinear"
    assert row.first_call_s > 0
    assert report.settings["reference"] == "bilinear"
    assert report.machine["fingerprint"]


def test_exact_figures_are_the_same_twice() -> None:
    def exact(report):
        return [
            (r.params, r.flops, r.operator_counts, r.peak_memory_bytes) for r in report.measurements
        ]

    names = ("bilinear", "dysample", "dysample-s+", "pixelshuffle")
    assert exact(measure(*names)) == exact(measure(*names))


def test_what_an_upsampler_cannot_do_is_a_skipped_row() -> None:
    report = measure("bilinear", "deconv", "dysample", channels=[6], scales=[3])
    status = {row.case.upsampler: (row.status, row.reason) for row in report.measurements}
    assert status["bilinear"] == ("ok", "")
    assert status["deconv"] == ("skipped", "`scale` (=3) must be one of 2")
    assert status["dysample"] == (
        "skipped",
        "`in_channels` (=6) must be divisible by `groups` (=4)",
    )


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("Raises", "failed", "RuntimeError: broken on purpose"),
        ("RaisesLater", "failed", "RuntimeError: tired"),
        ("WrongShape", "failed", "it returned (1, 8, 4, 6), not a tensor of shape (1, 8, 8, 12)"),
        ("BadConstructor", "failed", "TypeError"),
        ("BadForward", "failed", "ValueError: too many values to unpack"),
    ],
)
def test_a_plugin_that_fails_ends_its_own_row_only(plugins, name, status, reason) -> None:
    report = measure(f"{plugins}:{name}", "bilinear", "nearest")
    first, *others = report.measurements
    assert first.status == status
    assert reason in first.reason
    assert "\n" not in first.reason
    assert all(row.status == "ok" and row.latency_s for row in others)
    assert report.complete


def test_a_guide_is_made_for_guided_ones_and_counted_in_no_metric(plugins) -> None:
    guided, plain = measure(f"{plugins}:Guided", f"{plugins}:Nearest").measurements
    assert guided.guided
    assert not plain.guided
    assert guided.params == 0
    assert guided.peak_memory_bytes < plain.peak_memory_bytes + 2 * 8 * 8 * 12 * 4


def test_without_meta_support_there_is_no_prediction_and_it_says_so(plugins) -> None:
    (row,) = measure(f"{plugins}:NoMeta").measurements
    assert row.status == "ok"
    assert row.predicted_cuda_peak_memory_bytes is None
    assert "meta" in row.notes[0]


def test_the_reference_is_timed_but_has_no_row_unless_asked_for() -> None:
    (row,) = measure("nearest").measurements
    assert row.case.upsampler == "nearest"
    assert row.relative_latency.to == "bilinear"


def test_training_times_forward_and_backward_and_gradients_need_memory() -> None:
    report = measure("dysample", modes=["inference", "training"], channels=[16])
    inference, training = report.measurements
    assert training.peak_memory_bytes > inference.peak_memory_bytes
    assert training.params == inference.params
    assert training.latency_s


def test_too_large_for_the_machine_is_not_tried() -> None:
    report = measure("bilinear", sizes=[(10**6, 10**6)], channels=[10**6])
    (row,) = report.measurements
    assert row.status == "out_of_memory"
    assert "needs 20,000,000,000.0 GB" in row.reason


def test_the_report_is_saved_after_every_case() -> None:
    saved = []
    runner.run(cases("nearest", "bilinear"), SETTINGS, save=saved.append)
    assert [len(report.measurements) for report in saved] == [1, 2, 2]
    assert [report.complete for report in saved] == [False, False, True]
    assert saved[-1].measurements[0].latency_s is not None


def test_ctrl_c_keeps_what_is_done_and_saves_it(plugins) -> None:
    saved = []
    names = ("nearest", f"{plugins}:Interrupts", "bilinear")
    with pytest.raises(KeyboardInterrupt):
        runner.run(cases(*names), SETTINGS, save=saved.append)
    assert [row.case.upsampler for row in saved[-1].measurements] == ["nearest"]
    assert not saved[-1].complete


def test_ctrl_c_in_the_contest_keeps_its_rounds() -> None:
    saved = []
    shares = []

    def interrupt(progress) -> None:
        shares.append(progress.done)
        if "rounds" in progress.doing and progress.done > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(cases("nearest", "bilinear"), SETTINGS, save=saved.append, watch=interrupt)
    assert all(row.latency_s.samples for row in saved[-1].measurements)
    assert not saved[-1].complete


def test_progress_never_goes_back() -> None:
    seen = []
    runner.run(cases("nearest", "bilinear", channels=[4, 8]), SETTINGS, watch=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert {progress.cell_number for progress in seen} == {1, 2}
    assert all(progress.cells == 2 for progress in seen)


def test_untimed_runs_have_no_latency() -> None:
    (row,) = measure("nearest", settings=Settings(timed=False)).measurements
    assert row.latency_s is None
    assert row.flops == 0


def test_a_timeout_is_a_row() -> None:
    settings = Settings(pace=msgspec.structs.replace(PACE, timeout_s=1e-9))
    (row,) = measure("nearest", settings=settings).measurements
    assert row.status == "timeout"
    assert "one call took" in row.reason


@pytest.mark.parametrize("name", ["dysample", "dysample+", "dysample-s"])
def test_offsets_have_the_spread_asked_for(name: str) -> None:
    module = build_upsampler(name, 64)
    spread_offsets(module, 0.5)
    x = torch.randn(1, 64, 32, 32)
    source = torch.nn.functional.pixel_shuffle(x, 2) if name == "dysample-s" else x
    offsets = 0.25 * module.offset(source).detach()
    assert float(offsets.std()) == pytest.approx(0.5, rel=0.15)


def test_inputs_have_the_layout_dtype_and_guide_channels_of_the_case() -> None:
    (case,) = cases("nearest", layouts=["channels_last"], dtypes=["bfloat16"])
    case = msgspec.structs.replace(case, options={"guide_channels": 5})
    x, guide = make_inputs(case, guided=True, device=torch.device("cpu"), seed=0)
    assert x.shape == (1, 8, 4, 6)
    assert x.dtype == torch.bfloat16
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert guide.shape == (1, 5, 8, 12)
    again, _ = make_inputs(case, guided=True, device=torch.device("cpu"), seed=0)
    assert torch.equal(x, again)


def test_weights_are_the_same_for_the_same_seed() -> None:
    (case,) = cases("pixelshuffle")
    a, b = (
        build(case, resolve("pixelshuffle"), device=torch.device("cpu"), seed=3) for _ in range(2)
    )
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_kernels_that_wait_to_be_launched_are_a_note() -> None:
    row = make_measurement("dysample", latency=40e-6)
    found = with_kernels(row, lambda: 10e-6)
    assert found.kernel_s == 10e-6
    assert found.notes[0].startswith("launch-bound")
    assert with_kernels(row, lambda: 39e-6).notes == []


def test_what_no_graph_can_hold_has_no_kernel_time_and_says_so() -> None:
    def refuse() -> float:
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA says")

    found = with_kernels(make_measurement("dysample"), refuse)
    assert found.kernel_s is None
    assert "operation not permitted when stream is capturing" in found.notes[0]


@pytest.mark.parametrize("fields", [{"latency": None}, {"mode": "training"}])
def test_kernels_are_timed_of_an_inference_that_was(fields) -> None:
    row = make_measurement("dysample", **fields)
    assert with_kernels(row, lambda: pytest.fail("timed")) is row


def test_throttled_samples_are_a_note() -> None:
    entrant = Contestant("dysample", lambda: None)
    entrant.samples = {0: 0.1, 1: 0.1}
    entrant.readings = {0: Reading(1980), 1: Reading(900, ("power cap",))}
    row = with_latency(make_measurement("dysample"), entrant, None)
    assert row.latency_s.throttled == [1]
    assert row.notes[-1].startswith("1 of 2 samples")


def test_a_reference_without_a_row_is_measured_as_it_would_be_with_one(monkeypatch) -> None:
    spreads = []

    def spy(*arguments, offset_std, **options):
        spreads.append(offset_std)
        return build(*arguments, offset_std=offset_std, **options)

    monkeypatch.setattr("dybench.runner.build", spy)
    measure("nearest", settings=Settings(pace=PACE, reference="dysample", offset_std=0.125))
    assert spreads == [0.125]


def test_a_reference_that_cannot_run_is_named_in_the_rows() -> None:
    (row,) = measure(
        "nearest", settings=Settings(pace=PACE, reference="deconv"), scales=[3]
    ).measurements
    assert row.latency_s is not None
    assert row.relative_latency is None
    said = "no ratios: deconv cannot run here: ValueError: `scale` (=3)"
    assert row.notes[0].startswith(said)


def test_a_changed_thread_count_is_said_in_what_is_saved(plugins) -> None:
    saved = []
    before = torch.get_num_threads()
    runner.run(cases(f"{plugins}:Threads"), SETTINGS, save=saved.append)
    assert "changed torch's thread count" in saved[-1].measurements[0].notes[-1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        (1, "one round only: it says nothing of its own scatter"),
        (3, "3 rounds only: its intervals cover 75%, not 95%"),
        (5, "5 rounds only: its intervals cover 94%, not 95%"),
        (6, None),
    ],
)
def test_an_interval_of_few_rounds_is_not_passed_off_as_95_percent(rounds, said) -> None:
    entrant = Contestant("dysample", lambda: None)
    entrant.samples = dict.fromkeys(range(rounds), 0.1)
    notes = with_latency(make_measurement("dysample"), entrant, None).notes
    assert [note.partition(" (--")[0] for note in notes] == ([said] if said else [])


@pytest.mark.parametrize("name", ["Raises", "WrongShape"])
def test_a_reference_that_does_not_do_its_work_is_not_measured_against(plugins, name) -> None:
    settings = Settings(pace=PACE, reference=f"{plugins}:{name}")
    (row,) = measure("nearest", settings=settings).measurements
    assert row.latency_s is not None
    assert row.relative_latency is None
    assert f"{plugins}:{name} cannot run here" in row.notes[0]
