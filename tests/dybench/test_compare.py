"""Two reports compared: rows matched by case, exact figures, ratios, machines."""

import msgspec
import pytest

from dybench.compare import Change, compare_reports
from dybench.verdict import Thresholds
from tests.dybench.factories import make_measurement, make_report

HERE = {"fingerprint": "a1"}


def reports(old_rows, new_rows, old_machine=HERE, new_machine=HERE):
    old = make_report(old_rows, machine=old_machine)
    return old, make_report(new_rows, machine=new_machine)


def test_equal_reports_change_in_nothing():
    report = make_report(machine=HERE)
    comparison = compare_reports(report, report)
    assert len(comparison.rows) == len(report.measurements)
    assert not any(row.changes for row in comparison.rows)
    assert {row.verdict for row in comparison.rows} == {"same"}
    assert comparison.same_machine


def test_exact_figures_differ_by_one():
    old = make_measurement("dysample", operator_counts={"aten::mul": 1, "aten::add": 2})
    new = msgspec.structs.replace(
        old,
        params=1001,
        flops=10**9 + 1,
        peak_memory_bytes=60 * 2**20 + 1,
        operator_counts={"aten::mul": 2, "aten::clone": 1},
    )
    (row,) = compare_reports(*reports([old], [new])).rows
    assert row.changes == [
        Change("params", 1000, 1001),
        Change("flops", 10**9, 10**9 + 1),
        Change("peak_memory_bytes", 60 * 2**20, 60 * 2**20 + 1),
        Change("operator_counts", 2, 0, "aten::add"),
        Change("operator_counts", 0, 1, "aten::clone"),
        Change("operator_counts", 1, 2, "aten::mul"),
    ]
    assert [change.rose for change in row.changes] == [True, True, True, False, True, True]


def test_memory_counted_in_another_way_is_not_compared():
    old = make_measurement("dysample", memory=100)
    new = msgspec.structs.replace(old, peak_memory_bytes=200, peak_memory_kind="cuda allocator")
    (row,) = compare_reports(*reports([old], [new])).rows
    assert row.changes == []


@pytest.mark.parametrize(
    ("new_ratio", "there", "verdict"),
    [
        (1.3, "a1", "slower"),  # on the same machine
        (0.7, "a1", "faster"),
        (1.16, "a1", "same"),  # as far apart as the same run twice was
        (1.19, "a1", "unclear"),
        (1.2, "b2", "same"),  # on another machine
        (1.4, "b2", "slower"),
        (0.6, "b2", "faster"),
        (1.28, "b2", "unclear"),
    ],
)
def test_latency_is_compared_relative_to_the_reference(new_ratio, there, verdict):
    old = make_measurement("dysample", ratio=0.5, latency=0.01)
    new = make_measurement("dysample", ratio=0.5 * new_ratio, latency=0.03)
    (row,) = compare_reports(*reports([old], [new], new_machine={"fingerprint": there})).rows
    assert row.relative.verdict == row.verdict == verdict
    assert row.relative.ratio.estimate == pytest.approx(new_ratio)
    assert (row.absolute is None) == (there == "b2")


def test_only_the_eager_reference_is_not_compared_with_itself():
    rows = [make_measurement("bilinear", ratio=0.9, runtime=name) for name in ("eager", "compile")]
    eager, compiled = compare_reports(*reports(rows, rows)).rows
    assert (eager.relative, eager.note) == (None, "the reference itself")
    assert compiled.relative.verdict == "same"


def test_absolute_latency_only_on_the_same_machine():
    old, new = make_measurement("a", latency=0.01), make_measurement("a", latency=0.02)
    (here,) = compare_reports(*reports([old], [new])).rows
    assert here.absolute.ratio.estimate == pytest.approx(2.0)
    assert here.verdict == "slower"
    (unsaid,) = compare_reports(*reports([old], [new], {}, {})).rows
    assert unsaid.absolute is None
    assert unsaid.verdict is None


def test_another_reference_is_not_compared():
    old = make_measurement("dysample", ratio=0.5)
    new = make_measurement("dysample", ratio=0.5)
    ratio = msgspec.structs.replace(new.relative_latency, to="nearest")
    new = msgspec.structs.replace(new, relative_latency=ratio)
    (row,) = compare_reports(*reports([old], [new])).rows
    assert row.relative is None
    assert row.note == "relative to bilinear before and to nearest now"


def test_rows_of_one_report_are_named():
    a, b, c = (make_measurement(name) for name in "abc")
    other = make_measurement("b", channels=64)
    comparison = compare_reports(*reports([a, b], [b, c, other]))
    assert [row.case for row in comparison.rows] == [b.case]
    assert comparison.only_old == [a.case]
    assert comparison.only_new == [c.case, other.case]


def test_the_threshold_decides():
    old, new = make_measurement("a", ratio=1.0), make_measurement("a", ratio=1.2)
    strict = compare_reports(*reports([old], [new]), Thresholds(slower_than=0.3))
    assert strict.rows[0].verdict != "slower"
