"""The formats for programs: what was saved comes back to the last digit."""

from __future__ import annotations

import json
from csv import DictReader
from io import StringIO

from dybench.result import load
from dybench.views import csv
from dybench.views import json as json_view
from tests.dybench.factories import make_cell, make_measurement, make_report
from tests.dybench.views.examples import NOTHING, REASON, example


def read(report):
    return list(DictReader(StringIO(csv.render(report))))


def test_a_line_a_measurement_in_their_order():
    report = example()
    names = [row["upsampler"] for row in read(report)]
    assert names == [row.case.upsampler for row in report.measurements]


def test_figures_come_back_exactly():
    report = make_report(make_cell(["bilinear", "carafe"], dtype="float16"))
    for saved, row in zip(report.measurements, read(report), strict=True):
        assert int(row["flops"]) == saved.flops
        assert int(row["params"]) == saved.params
        assert int(row["peak_memory_bytes"]) == saved.peak_memory_bytes
        assert float(row["latency_median_s"]) == saved.latency_s.median
        assert float(row["latency_low_s"]) == saved.latency_s.low
        assert float(row["latency_high_s"]) == saved.latency_s.high
        assert float(row["relative_latency"]) == saved.relative_latency.ratio
        assert (row["rounds"], row["dtype"], row["scale"]) == ("5", "float16", "2")


def test_counts_stay_whole_beside_rows_without():
    report = make_report([make_measurement("a", params=8224), make_measurement("b", **NOTHING)])
    first, second = csv.render(report).splitlines()[1:]
    assert ",8224," in first
    assert "8224.0" not in first
    assert read(report)[1]["params"] == ""
    assert second.startswith("b,{},256")


def test_options_and_uncounted_operators_are_json():
    row = make_measurement("a", options={"up_kernel": 3}, flops_unsupported={"aten::foo": 2})
    (only,) = read(make_report([row]))
    assert json.loads(only["options"]) == {"up_kernel": 3}
    assert json.loads(only["flops_unsupported"]) == {"aten::foo": 2}


def test_reasons_keep_their_commas_and_quotes():
    row = make_measurement("a", status="failed", reason=f'{REASON}, "quoted"', **NOTHING)
    (only,) = read(make_report([row]))
    assert only["reason"] == f'{REASON}, "quoted"'


def test_an_empty_report_has_a_header_alone():
    header = csv.render(make_report([])).splitlines()
    assert header == csv.render(example()).splitlines()[:1]


def test_json_is_the_report_itself(tmp_path):
    report = example()
    path = tmp_path / "again.json"
    path.write_text(json_view.render(report), encoding="utf-8")
    assert load(path) == report
