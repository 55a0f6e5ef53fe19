"""A comparison in a terminal, in a pull request and as JSON."""

import json

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from dybench.case import Case
from dybench.compare import Comparison, compare_reports
from dybench.gate import Finding
from dybench.statistics import Interval
from dybench.verdict import Thresholds
from dybench.views import comparison as view
from dybench.views import findings
from dybench.views.comparison_terminal import render
from tests.dybench.factories import make_measurement, make_report

CASE = Case(upsampler="dysample", channels=64, height=8, width=9, scale=2)


@pytest.fixture
def compared():
    a = make_measurement("dysample", ratio=1.0, latency=0.01)
    b, gone = make_measurement("carafe", ratio=2.0), make_measurement("fade")
    slow = make_measurement("dysample", ratio=1.5, latency=0.015, flops=10**9 + 3)
    new = make_report([slow, b], machine={"fingerprint": "y"})
    return compare_reports(make_report([a, b, gone], machine={"fingerprint": "x"}), new)


def test_json_round_trips(compared):
    text = view.render_json(compared)
    assert msgspec.json.decode(text, type=Comparison) == compared
    assert json.loads(text)["schema"] == "dybench-comparison/1"


def test_markdown_is_one_table_with_verdicts(compared):
    text = view.render_markdown(compared)
    assert text.startswith("**2 cases compared: 1 SLOWER, 1 SAME, 1 with changed exact figures**")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert "**SLOWER**" in rows[2]
    assert "+50.0 % (+45.8 to +54.3)" in rows[2]
    assert "FLOPs 1,000,000,000 → 1,000,000,003 (+3e-07 %)" in rows[2]
    assert "unchanged" in rows[3]
    assert "Only in the old report: fade, 256×120×120 ×2 float32 cpu" in text
    assert "different machines" in text


def test_the_terminal_says_the_same(compared):
    console = Console(width=200, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        render(compared, console)
    text = captured.get()
    for part in (
        "SLOWER",
        "SAME",
        "+50.0 %",
        "256 × 120 × 120, ×2, batch 1, float32, cpu",
        " ×1.00 ",
        " ×1.50 ",
        "of the latency of bilinear",
        "Only in the old",
    ):
        assert part in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_narrow_terminal_cuts_no_name_and_no_figure(compared, width):
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        render(compared, console)
    lines = captured.get().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "…" not in captured.get()
    (row,) = [line for line in lines if line.startswith("dysample ") and "SLOWER" in line]
    assert "+50.0 %" in row
    assert ("+45.8 to +54.3" in row) is (width >= 80)
    assert ("No room for: interval ends" in captured.get()) is (width < 80)
    assert any("FLOPs 1,000,000,000" in line for line in lines)


def test_a_row_without_timing_says_why_below_the_table():
    old = [make_measurement("dysample"), make_measurement("bilinear", ratio=1.0)]
    new = [make_measurement("dysample", ratio=1.5), make_measurement("bilinear", ratio=1.0)]
    console = Console(width=60, force_terminal=False)
    with console.capture() as captured:
        render(
            compare_reports(
                make_report(old, machine={"fingerprint": "x"}),
                make_report(new, machine={"fingerprint": "y"}),
            ),
            console,
        )
    lines = [line.strip().split(None, 1) for line in captured.get().splitlines()]
    assert ["dysample", "no relative latency in the old report"] in lines
    assert ["bilinear", "the reference itself"] in lines


def test_a_finding_is_one_line_that_names_all():
    finding = Finding(
        severity="regression",
        case=CASE,
        metric="latency_s",
        old=0.0012,
        new=0.0014,
        interval=Interval(1.167, 1.1, 1.25),
    )
    assert findings.line(finding) == (
        "REGRESSION  dysample, 64×8×9 ×2 float32 cpu: latency 1.200 ms → 1.400 ms, "
        "+16.7 % (+10.0 to +25.0)"
    )
    grew = Finding(severity="regression", case=CASE, metric="peak_memory_bytes", old=100, new=104)
    assert findings.line(grew) == (
        "REGRESSION  dysample, 64×8×9 ×2 float32 cpu: peak memory in bytes 100 → 104 (+4 %)"
    )


def test_annotations_escape_what_github_would_take_for_its_own():
    case = msgspec.structs.replace(CASE, upsampler="a.py:Up")
    finding = Finding(
        severity="regression", case=case, metric="flops", old=1, new=2, text="50 %\nx"
    )
    (command,) = findings.workflow_commands([finding])
    assert command.startswith("::error title=dybench%3A a.py%3AUp FLOPs::REGRESSION  a.py:Up, ")
    assert command.endswith("(+100 %25), 50 %25%0Ax")
    faster = msgspec.structs.replace(finding, severity="improvement")
    unclear = msgspec.structs.replace(finding, severity="unclear")
    assert findings.workflow_commands([faster]) == []
    assert findings.workflow_commands([unclear])[0].startswith("::warning ")


def test_the_summary_counts():
    worse, better = (
        Finding(severity=severity, case=CASE, metric="flops")
        for severity in ("regression", "improvement")
    )
    assert findings.summary([worse, worse, better], 3) == "3 cases: 2 regressions, 1 improvement"
    assert findings.summary([], 1) == "1 case: nothing got worse"


def said(old, new):
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        render(compare_reports(old, new), console)
    return captured.get()


def test_what_was_measured_differently_is_said():
    rows = [make_measurement("dysample", ratio=1.0)]
    machine = {"fingerprint": "x", "threads": 1, "packages": {"torch": "2.13.0"}}
    old = make_report(rows, machine=machine, settings={"memory_allocator": "keep", "seed": 0})
    same = make_report(rows, machine=machine, settings={"memory_allocator": "keep", "seed": 0})
    assert "Measured differently" not in said(old, same)
    other = machine | {"fingerprint": "y", "threads": 2, "packages": {"torch": "2.15.0"}}
    new = make_report(rows, machine=other, settings={"memory_allocator": "system", "seed": 0})
    text = "threads 1 → 2; memory allocator keep → system; torch 2.13.0 → 2.15.0."
    assert f"Measured differently: {text}" in said(old, new)


def test_what_is_no_longer_ok_is_in_the_headline_and_has_no_verdict():
    old = make_report(
        [make_measurement("dysample", ratio=1.0), make_measurement("fade", ratio=2.0)]
    )
    gone = make_measurement("dysample", ratio=1.0, status="failed")
    text = said(old, make_report([gone, make_measurement("fade", ratio=2.0)]))
    assert text.startswith("2 cases compared: 1 SAME, 1 NO LONGER OK, 0 with changed")
    assert "ok → failed" in text


def test_thresholds_are_not_rounded():
    report = make_report([make_measurement("dysample", ratio=1.0)])
    limits = Thresholds(slower_than=0.025, floor=0.004, between_runs=0.025, elsewhere=0.025)
    text = view.render_markdown(compare_reports(report, report, limits))
    assert "SLOWER: over 2.5% by the estimate and 0.4% by its interval" in text


def test_exact_figures_have_a_line_each_in_markdown():
    old, new = (make_measurement("dysample", flops=10**9 + n, params=n + 1) for n in (0, 1))
    text = view.render_markdown(compare_reports(make_report([old]), make_report([new])))
    assert "(+100 %)<br>FLOPs 1,000,000,000" in text
