"""A report in Bencher Metric Format, as `bencher run --adapter json --file` reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dybench.views.names import case_name

if TYPE_CHECKING:
    from dybench.result import Measurement, Report

    Metric = dict[str, float]


def render(report: Report) -> str:
    """`{benchmark: {measure: {value, lower_value?, upper_value?}}}`; latency in nanoseconds."""
    rows = {
        case_name(row.case): measures
        for row in report.measurements
        if row.status == "ok" and (measures := _measures(row))
    }
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _measures(row: Measurement) -> dict[str, Metric]:
    measures: dict[str, Metric] = {}
    if (latency := row.latency_s) is not None:
        measures["latency"] = _metric(latency.median * 1e9, latency.low * 1e9, latency.high * 1e9)
    if (relative := row.relative_latency) is not None:
        measures["relative-latency"] = _metric(relative.ratio, relative.low, relative.high)
    exact = {
        "peak-memory": row.peak_memory_bytes,
        "flops": row.flops,
        "parameters": row.params,
    }
    measures |= {name: {"value": value} for name, value in exact.items() if value is not None}
    return measures


def _metric(value: float, low: float, high: float) -> Metric:
    return {"value": value, "lower_value": low, "upper_value": high}
