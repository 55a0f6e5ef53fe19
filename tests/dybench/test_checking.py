"""The whole check on a fake runner: what is measured, accepted, refused."""

import msgspec
import pytest

from dybench.baseline import Measured
from dybench.checking import Gate
from dybench.compare import compare_reports
from dybench.duel import Bout, Exact
from dybench.errors import DybenchError, UsageError
from dybench.result import load
from dybench.settings import CheckSettings
from tests.dybench.factories import make_measurement, make_report

HERE = {"fingerprint": "a1"}


class FakeRunner:
    """Returns rows by upsampler; a list of rows is handed out one run after another."""

    def __init__(self, machine=HERE, naive=None, **rows):
        self.rows, self.machine, self.naive = rows, machine, naive or {}
        self.asked = []

    def __call__(self, cases, old):
        self.asked.append([case.upsampler for case in cases])
        found = []
        for case in cases:
            row = self.rows.get(case.upsampler, make_measurement(case.upsampler, ratio=1.0))
            if isinstance(row, list):
                row = row.pop(0) if len(row) > 1 else row[0]
            found.append(msgspec.structs.replace(row, case=case))
        naive = {row.case.key: self.naive.get(row.case.upsampler) for row in found}
        return Measured(make_report(found, machine=self.machine), naive)


def no_fight(cases, *, timed):
    raise AssertionError("nothing was asked to be measured against a revision")


@pytest.fixture
def baseline(tmp_path):
    path = tmp_path / "baseline.json"
    rows = [make_measurement(name, ratio=1.0) for name in ("a", "b")]
    make_report(rows, machine=HERE).save_new(path)
    return path


def gate(runner, path=None, fight=no_fight, only=None, narrowed=(), **settings):
    if path is not None:
        settings["baseline"] = str(path)
    return Gate(CheckSettings(**settings), only, measure=runner, fight=fight, narrowed=narrowed)


def test_nothing_changed(baseline):
    check = gate(FakeRunner(), baseline)
    assert check.run() == []
    assert check.cases == 2


def test_nothing_to_compare_with():
    with pytest.raises(DybenchError, match="nothing to compare with: give --baseline"):
        gate(FakeRunner()).run()


def test_a_baseline_without_the_cases_asked_for(baseline):
    with pytest.raises(DybenchError, match="none of the cases asked for"):
        gate(FakeRunner(), baseline, narrowed=["upsamplers"], upsamplers=["c"]).run()
    empty = baseline.with_name("empty.json")
    make_report([]).save_new(empty)
    with pytest.raises(DybenchError, match="nothing to compare"):
        gate(FakeRunner(), empty).run()


def test_a_baseline_of_a_device_that_is_not_here(tmp_path):
    path = tmp_path / "cuda.json"
    make_report([make_measurement("a", device="cuda:9")]).save_new(path)
    with pytest.raises(UsageError, match=r"device of .*this machine has"):
        gate(FakeRunner(), path).run()


def test_only_the_named_upsamplers_are_measured_and_the_others_are_not_missed(baseline):
    runner = FakeRunner()
    check = gate(runner, baseline, narrowed=["upsamplers"], upsamplers=["b"])
    assert check.run() == []
    assert runner.asked == [["b"]]


def test_a_fatter_upsampler_is_named(baseline):
    runner = FakeRunner(b=make_measurement("b", ratio=1.0, flops=10**9 + 1))
    (finding,) = gate(runner, baseline).run()
    assert (finding.severity, finding.case.upsampler, finding.metric) == (
        "regression",
        "b",
        "flops",
    )


def test_slower_must_be_slower_twice(baseline):
    slow, fine = (make_measurement("b", ratio=ratio, latency=None) for ratio in (1.3, 1.0))
    runner = FakeRunner(b=[slow, slow])
    (finding,) = gate(runner, baseline).run()
    assert finding.severity == "regression"
    assert runner.asked == [["a", "b"], ["b"]]
    (once,) = gate(FakeRunner(b=[slow, fine]), baseline).run()
    assert (once.severity, once.text) == ("unclear", "slower once, not when measured again")


def test_slower_by_another_amount_each_time_is_noise(baseline):
    rows = [make_measurement("b", ratio=ratio, latency=None) for ratio in (1.3, 1.9)]
    (finding,) = gate(FakeRunner(b=rows), baseline).run()
    assert finding.severity == "unclear"
    assert "measured again +90.0%" in finding.text


def test_on_another_machine_a_ratio_may_shift(baseline):
    elsewhere = {"fingerprint": "b2"}
    shifted = make_measurement("b", ratio=1.2)
    assert gate(FakeRunner(elsewhere, b=shifted), baseline).run() == []
    far = make_measurement("b", ratio=1.6)
    (finding,) = gate(FakeRunner(elsewhere, b=far), baseline).run()
    assert finding.severity == "regression"


def test_output_that_left_its_definition(baseline):
    (finding,) = gate(FakeRunner(naive={"a": 0.5}), baseline).run()
    assert (finding.severity, finding.metric) == ("regression", "output")
    assert gate(FakeRunner(naive={"a": 0.5}), baseline, only="latency").run() == []


def test_update_shows_what_it_accepts_and_the_next_check_is_quiet(baseline):
    runner = FakeRunner(b=make_measurement("b", ratio=1.0, params=1234))
    update = gate(runner, baseline).update()
    assert (update.path, update.cases) == (baseline, 2)
    changed = [row for row in update.comparison.rows if row.changes]
    assert [(row.case.upsampler, row.changes[0].new) for row in changed] == [("b", 1234)]
    assert load(baseline).measurements[1].params == 1234
    assert gate(runner, baseline).run() == []


def test_the_first_baseline_is_of_the_configured_cases(tmp_path):
    path = tmp_path / "new" / "baseline.json"
    update = gate(FakeRunner(), path, upsamplers=["x"], channels=[8], sizes=["4x6"]).update()
    assert update.comparison is None
    (row,) = load(path).measurements
    assert (row.case.upsampler, row.case.channels, row.case.width) == ("x", 8, 6)


def test_update_needs_a_file_and_an_upsampler(tmp_path):
    with pytest.raises(UsageError, match="needs --baseline"):
        gate(FakeRunner(), upsamplers=["x"]).update()
    with pytest.raises(UsageError, match="no upsampler"):
        gate(FakeRunner(), tmp_path / "none.json").update()


def fight_with(head_params=1000, **fields):
    seen = []

    def fight(cases, *, timed):
        seen.append(([case.upsampler for case in cases], timed))
        return [
            Bout(
                case=case,
                base=Exact(make_measurement(case.upsampler), 0.0),
                head=Exact(make_measurement(case.upsampler, params=head_params), 0.0),
                **fields,
            )
            for case in cases
        ]

    fight.seen = seen
    return fight


def test_against_a_revision_holds_exact_figures_to_base():
    fight = fight_with(head_params=1001)
    check = gate(FakeRunner(), fight=fight, only="exact", against="main", upsamplers=["x"])
    findings = check.run()
    assert fight.seen == [(["x"], False)]
    assert {(f.severity, f.metric) for f in findings} == {
        ("regression", "params"),
        ("regression", "params_weights"),
    }
    assert check.report.measurements[0].params == 1001


def test_with_both_exact_figures_are_held_to_the_baseline(baseline):
    fight = fight_with(head_params=1001)
    check = gate(FakeRunner(), baseline, fight=fight, against="main")
    findings = check.run()
    assert fight.seen == [(["a", "b"], True)]
    assert {f.metric for f in findings} == {"latency_s"}  # the fake was not judged: unclear
    assert {f.severity for f in findings} == {"unclear"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"foreign": "/site-packages/x.py"},
            "is not of this repository but of /site-packages/x.py",
        ),
        ({"errors": {"base": "no file up.py"}}, "on base, no file up.py"),
    ],
)
def test_a_comparison_of_nothing_fails(fields, message):
    check = gate(FakeRunner(), fight=fight_with(**fields), against="main", upsamplers=["x"])
    with pytest.raises(DybenchError, match=f"nothing to compare.*{message}"):
        check.run()


def test_against_needs_an_upsampler():
    with pytest.raises(UsageError, match="no upsampler"):
        gate(FakeRunner(), against="main").run()


def test_the_fake_runner_can_be_wrong(baseline):
    """The comparison that the tests above rest on sees a difference where there is one."""
    old = load(baseline)
    new = FakeRunner(a=make_measurement("a", params=7))([row.case for row in old.measurements], old)
    assert compare_reports(old, new.report).rows[0].changes


@pytest.mark.parametrize(
    ("narrowed", "given"),
    [
        ("channels", {"channels": [7]}),
        ("scales", {"scales": [3]}),
        ("sizes", {"sizes": ["8x9"]}),
    ],
)
def test_options_narrow_a_baseline_and_what_it_has_not_is_refused(baseline, narrowed, given):
    with pytest.raises(DybenchError, match="none of the cases asked for"):
        gate(FakeRunner(), baseline, narrowed=[narrowed], **given).run()
    case = load(baseline).measurements[0].case
    held = {"channels": [case.channels], "scales": [case.scale]}
    held["sizes"] = [f"{case.height}x{case.width}"]
    check = gate(FakeRunner(), baseline, narrowed=[narrowed], **{narrowed: held[narrowed]})
    assert check.run() == []
    assert check.cases == 2


def test_what_is_configured_and_not_in_the_baseline_is_said(baseline):
    (finding,) = gate(FakeRunner(), baseline, upsamplers=["bilinear"], channels=[8]).run()
    assert finding.severity == "warning"
    assert finding.case.upsampler == "bilinear"
    assert "not in the baseline" in finding.text


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_baseline_of_what_does_not_run_is_refused(baseline, status):
    before = baseline.read_bytes()
    broken = make_measurement("a", status=status, reason="NameError: x")
    rest = {} if status == "failed" else {"b": broken}
    check = gate(FakeRunner(a=broken, **rest), baseline)
    with pytest.raises(DybenchError, match=f"is not written: a {status}: NameError"):
        check.update()
    assert baseline.read_bytes() == before


def test_what_was_skipped_is_told_with_the_baseline(baseline):
    skipped = make_measurement("a", status="skipped", reason="scale 3 alone")
    update = gate(FakeRunner(a=skipped), baseline).update()
    assert [row.case.upsampler for row in update.skipped] == ["a"]


def test_exact_figures_alone_are_not_written_over_latencies(baseline):
    with pytest.raises(UsageError, match="would drop the latencies"):
        gate(FakeRunner(), baseline, only="exact").update()


def test_latencies_that_a_baseline_does_not_hold_are_no_pass(baseline, tmp_path):
    rows = [
        msgspec.structs.replace(row, latency_s=None, relative_latency=None)
        for row in load(baseline).measurements
    ]
    exact = tmp_path / "exact.json"
    make_report(rows, machine=HERE).save_new(exact)
    with pytest.raises(DybenchError, match="holds no latencies"):
        gate(FakeRunner(), exact, only="latency").run()
    findings = gate(FakeRunner(), exact).run()
    assert {finding.text for finding in findings} == {"no relative latency in the old report"}
    assert gate(FakeRunner(), exact, only="exact").run() == []


def test_what_failed_before_and_fails_still_is_said(tmp_path):
    broken = make_measurement("a", status="failed", reason="NameError: x")
    path = tmp_path / "old.json"
    make_report([broken], machine=HERE).save_new(path)
    (finding,) = gate(FakeRunner(a=broken), path).run()
    assert finding.severity == "unclear"
    assert "nothing of it is held" in finding.text


def test_an_update_that_is_narrowed_drops_nothing(baseline):
    before = baseline.read_bytes()
    axes = {"narrowed": ["upsamplers"], "channels": [256], "sizes": ["120x120"]}
    narrowed = gate(FakeRunner(), baseline, upsamplers=["a"], **axes)
    with pytest.raises(UsageError, match=r"that would drop 1 case of .*: leave out what narrows"):
        narrowed.update()
    assert baseline.read_bytes() == before
    assert gate(FakeRunner(), baseline, upsamplers=["a", "b"], **axes).update().cases == 2
