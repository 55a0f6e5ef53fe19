"""Exports: the figures and keys that github-action-benchmark, Bencher and pytest-benchmark read."""

import json
import statistics

import pytest

from dybench.views import bencher, github, pytest_benchmark
from tests.dybench.factories import make_measurement, make_report

NAME = "dysample, 256×120×120 ×2 float32 cpu"
REPORT = make_report(
    [
        make_measurement("dysample", latency=0.01, ratio=0.5, params=8224, flops=10, memory=99),
        make_measurement("carafe", latency=None, params=None, flops=None, memory=None),
        make_measurement("deconv", status="failed", latency=None),
    ]
)


def test_github_entries_are_smaller_is_better_numbers():
    entries = json.loads(github.render(REPORT))
    assert [entry["name"] for entry in entries] == [
        f"{NAME}: latency",
        f"{NAME}: latency relative to bilinear",
        f"{NAME}: peak memory",
        f"{NAME}: FLOPs",
        f"{NAME}: parameters",
    ]
    assert entries[0] == {
        "name": f"{NAME}: latency",
        "unit": "ms",
        "value": pytest.approx(10.0),
        "range": "± 0.1",
        "extra": "median of 5 rounds",
    }
    assert entries[-1] == {"name": f"{NAME}: parameters", "unit": "parameters", "value": 8224}


def test_bencher_measures_have_bounds_and_nanoseconds():
    document = json.loads(bencher.render(REPORT))
    assert list(document) == [NAME]
    latency = document[NAME]["latency"]
    assert latency["value"] == pytest.approx(1e7)
    assert latency["lower_value"] < latency["value"] < latency["upper_value"]
    assert document[NAME]["relative-latency"]["value"] == 0.5
    assert document[NAME]["flops"] == {"value": 10}


def test_pytest_benchmark_stats():
    document = json.loads(pytest_benchmark.render(REPORT))
    assert {"machine_info", "commit_info", "benchmarks", "datetime", "version"} == document.keys()
    (benchmark,) = document["benchmarks"]
    assert benchmark["group"] == "256×120×120 ×2 float32 cpu"
    assert benchmark["fullname"] == NAME
    samples = REPORT.measurements[0].latency_s.samples
    stats = benchmark["stats"]
    assert stats["data"] == samples
    assert stats["mean"] == pytest.approx(statistics.fmean(samples))
    assert stats["stddev"] == pytest.approx(statistics.stdev(samples))
    assert stats["ops"] == pytest.approx(1 / stats["mean"])
    assert stats["rounds"] == 5


def test_outliers_are_counted_as_pytest_benchmark_counts_them():
    stats = pytest_benchmark.stats([1.0, 1.1, 1.2, 1.3, 9.0])
    assert (stats["iqr_outliers"], stats["stddev_outliers"], stats["outliers"]) == (1, 1, "1;1")
    assert (stats["ld15iqr"], stats["hd15iqr"]) == (1.0, 1.3)
    assert pytest_benchmark.stats([2.0])["stddev"] == 0.0


@pytest.mark.parametrize("view", [github, bencher, pytest_benchmark])
def test_an_empty_report_is_still_a_document(view):
    assert json.loads(view.render(make_report([]))) is not None
