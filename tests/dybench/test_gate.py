"""What the gate objects to, and what it lets pass."""

import math

import msgspec
import pytest

from dybench.compare import compare_reports
from dybench.duel import Bout, Exact
from dybench.gate import (
    Finding,
    exit_code,
    in_order,
    judge_bouts,
    judge_comparison,
    judge_outputs,
    probe_deviation,
)
from dybench.verdict import Rounds, Thresholds, judge_rounds
from tests.dybench.factories import make_measurement, make_report

HERE, ELSEWHERE = {"fingerprint": "a1"}, {"fingerprint": "b2"}
TOLERANCES = {"float32": 1e-4}


def findings_of(old, new, machine=HERE, only=None):
    comparison = compare_reports(
        make_report([old], machine=HERE), make_report([new], machine=machine)
    )
    return judge_comparison(comparison, only)


@pytest.mark.parametrize("metric", ["params", "params_weights", "flops", "peak_memory_bytes"])
def test_a_rise_by_one_is_a_regression_and_a_fall_is_not(metric):
    old = make_measurement("dysample", ratio=1.0)
    value = getattr(old, metric)
    (rise,) = findings_of(old, msgspec.structs.replace(old, **{metric: value + 1}))
    assert (rise.severity, rise.metric, rise.old, rise.new) == (
        "regression",
        metric,
        value,
        value + 1,
    )
    (fall,) = findings_of(old, msgspec.structs.replace(old, **{metric: value - 1}))
    assert fall.severity == "improvement"


def test_one_more_run_of_an_operator_is_a_regression():
    old = make_measurement("dysample", ratio=1.0, operator_counts={"aten::mul": 2})
    new = msgspec.structs.replace(old, operator_counts={"aten::mul": 2, "aten::clone": 1})
    (finding,) = findings_of(old, new)
    assert finding.severity == "regression"
    assert (finding.detail, finding.old, finding.new) == ("aten::clone", 0, 1)


def test_an_unchanged_row_says_nothing():
    row = make_measurement("dysample", ratio=0.7, operator_counts={"aten::mul": 2})
    assert findings_of(row, row) == []


def test_a_figure_that_is_gone_is_a_regression():
    old = make_measurement("dysample", ratio=1.0)
    (finding,) = findings_of(old, msgspec.structs.replace(old, flops=None))
    assert (finding.severity, finding.text) == ("regression", "gone")


def test_a_row_that_stopped_working_is_a_regression():
    old = make_measurement("dysample")
    new = msgspec.structs.replace(old, status="failed", reason="RuntimeError: no")
    (finding,) = findings_of(old, new)
    assert (finding.severity, finding.metric, finding.text) == (
        "regression",
        "status",
        "ok → failed",
    )


def test_slower_relative_to_the_reference_is_a_regression_and_in_seconds_a_warning():
    old = make_measurement("dysample", ratio=1.0, latency=0.01)
    new = make_measurement("dysample", ratio=1.3, latency=0.013)
    relative, absolute = findings_of(old, new)
    assert (relative.severity, relative.metric) == ("regression", "relative_latency")
    assert (absolute.severity, absolute.metric) == ("warning", "latency_s")
    assert findings_of(old, new, only="exact") == []


def test_only_latency_leaves_exact_figures_alone():
    old = make_measurement("dysample", ratio=1.0)
    new = msgspec.structs.replace(old, params=2000)
    assert findings_of(old, new, only="latency") == []


def test_a_library_workspace_of_another_machine_is_a_warning_only():
    old = make_measurement("dysample", memory=1000)
    little = msgspec.structs.replace(old, peak_memory_bytes=1040)
    much = msgspec.structs.replace(old, peak_memory_bytes=1100)
    assert [f.severity for f in findings_of(old, little, ELSEWHERE)] == ["warning"]
    assert [f.severity for f in findings_of(old, much, ELSEWHERE)] == ["regression"]
    assert [f.severity for f in findings_of(old, little)] == ["regression"]


def test_cases_of_one_report_only():
    a, b = make_measurement("a"), make_measurement("b")
    comparison = compare_reports(make_report([a]), make_report([b]))
    gone, new = judge_comparison(comparison)
    assert (gone.severity, gone.case) == ("regression", a.case)
    assert (new.severity, new.case) == ("warning", b.case)
    assert "--update-baseline" in new.text


def finding(severity, metric="flops"):
    return Finding(severity=severity, case=make_measurement("a").case, metric=metric)


@pytest.mark.parametrize(
    ("severities", "strict", "code"),
    [
        ([], True, 0),
        (["improvement", "warning"], True, 0),
        (["unclear"], False, 0),
        (["unclear"], True, 4),
        (["unclear", "regression"], True, 3),
        (["regression"], False, 3),
    ],
)
def test_exit_code(severities, strict, code):
    assert exit_code([finding(s) for s in severities], strict=strict) == code


def test_faster_is_not_said_while_an_output_disagrees():
    faster, wrong = finding("improvement"), finding("regression", "output")
    assert in_order([faster, finding("regression")]) == [finding("regression"), faster]
    assert in_order([faster, wrong]) == [wrong]


def exact(deviation=0.0, **fields):
    return Exact(make_measurement("dysample", **fields), deviation)


def test_head_whose_output_left_its_definition_is_a_regression():
    case = make_measurement("dysample").case
    bouts = [Bout(case=case, base=exact(), head=exact(2e-4))]
    (found,) = judge_bouts(bouts, TOLERANCES, "exact")
    assert (found.severity, found.metric, found.new) == ("regression", "output", 2e-4)
    assert judge_bouts([Bout(case=case, base=exact(), head=exact(5e-5))], TOLERANCES, "exact") == []


def test_a_plug_in_is_held_to_what_base_puts_out():
    row = make_measurement("mine.py:Up", output_probe=[1.0, 0.0, 0.5])
    other = msgspec.structs.replace(row, output_probe=[1.0, 0.0, 0.6])
    same = Bout(case=row.case, base=Exact(row, None), head=Exact(row, None))
    changed = Bout(case=row.case, base=Exact(row, None), head=Exact(other, None))
    assert judge_bouts([same], TOLERANCES, "exact") == []
    (found,) = judge_bouts([changed], TOLERANCES, "exact")
    assert found.metric == "output"
    assert found.new == pytest.approx(0.1)


def test_sides_that_fail():
    case = make_measurement("a").case
    (head,) = judge_bouts([Bout(case=case, errors={"head": "boom"})], TOLERANCES)
    assert (head.severity, head.text) == ("regression", "it works on base and not now: boom")
    (base,) = judge_bouts([Bout(case=case, errors={"base": "boom", "head": "x"})], TOLERANCES)
    assert base.severity == "warning"
    (foreign,) = judge_bouts([Bout(case=case, foreign="/x/y.py")], TOLERANCES)
    assert foreign.severity == "warning"
    assert "/x/y.py" in foreign.text


@pytest.mark.parametrize(
    ("factor", "severity"), [(1.1, "regression"), (0.9, "improvement"), (1.0, None)]
)
def test_the_judgement_of_a_duel(factor, severity):
    ones = [[1.0] * 6] * 4
    rounds = Rounds(ones, [[factor] * 6] * 4, ones)
    judgement = judge_rounds(rounds, Thresholds())
    case = make_measurement("a").case
    found = judge_bouts([Bout(case=case, rounds=rounds, judgement=judgement)], TOLERANCES)
    assert [f.severity for f in found] == ([severity] if severity else [])
    if severity:
        assert (found[0].old, found[0].new) == (1.0, factor)
        assert found[0].interval.estimate == pytest.approx(factor)


def test_a_case_without_a_judgement_is_unclear():
    bout = Bout(case=make_measurement("a").case, note="the budget was spent")
    (found,) = judge_bouts([bout], TOLERANCES)
    assert (found.severity, found.text) == ("unclear", "the budget was spent")


def test_outputs_are_held_to_the_stored_ones_and_to_the_definition():
    old = make_measurement("dysample", output_probe=[2.0, 0.0, 1.0])
    new = msgspec.structs.replace(old, output_probe=[2.0, 0.0, 1.01])
    key = new.case.key
    args = make_report([old]), make_report([new])
    (stored,) = judge_outputs(*args, {key: 0.0}, TOLERANCES)
    assert stored.new == pytest.approx(0.005)
    both = judge_outputs(*args, {key: 0.3}, TOLERANCES)
    assert [f.text.split(",")[0] for f in both] == [
        "differs from the baseline's",
        "differs from its naive definition",
    ]
    assert judge_outputs(args[0], args[0], {key: None}, TOLERANCES) == []


def test_probes_of_different_length_differ_infinitely():
    assert probe_deviation([1.0, 2.0], [1.0]) == math.inf
    assert probe_deviation([], []) == 0.0


def test_what_fails_on_both_revisions_is_unclear_and_not_a_pass():
    row = make_measurement("a", status="failed", reason="boom")
    both = Bout(case=row.case, base=Exact(row, None), head=Exact(row, None))
    (found,) = judge_bouts([both], TOLERANCES, "exact")
    assert (found.severity, found.text) == ("unclear", "failed on base as now: boom")
    assert exit_code([found], strict=True) == 4
