"""A report as pytest-benchmark would have saved it, for the tools that read its JSON."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import msgspec

from dybench import __version__
from dybench.views.cells import label
from dybench.views.names import case_name, cell_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.result import Measurement, Report


def render(report: Report) -> str:
    """Every timed row as one benchmark, its grid cell as the group, exact figures in extra_info."""
    document = {
        "machine_info": _machine(report.machine),
        "commit_info": {},
        "benchmarks": [_benchmark(row) for row in report.measurements if row.latency_s],
        "datetime": report.created,
        "version": f"dybench {__version__}",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _machine(machine: dict[str, Any]) -> dict[str, Any]:
    system, _, release = str(machine.get("os", "")).partition(" ")
    return {
        "node": machine.get("fingerprint", ""),
        "processor": machine.get("cpu", ""),
        "machine": machine.get("cpu_capability", ""),
        "python_version": machine.get("python", ""),
        "system": system,
        "release": release,
        "cpu": {"brand_raw": machine.get("cpu", ""), "count": machine.get("logical_cores")},
    }


def _benchmark(row: Measurement) -> dict[str, Any]:
    samples = row.latency_s.samples if row.latency_s else []
    return {
        "group": cell_name(row.case),
        "name": label(row.case),
        "fullname": case_name(row.case),
        "params": msgspec.to_builtins(row.case),
        "param": None,
        "extra_info": {
            "params": row.params,
            "flops": row.flops,
            "peak_memory_bytes": row.peak_memory_bytes,
            "relative_latency": row.relative_latency.ratio if row.relative_latency else None,
        },
        "options": {},
        "stats": stats(samples),
    }


def stats(samples: Sequence[float]) -> dict[str, Any]:
    """What pytest-benchmark keeps of the samples, under its names; seconds."""
    data = sorted(samples)
    mean = statistics.fmean(data)
    deviation = statistics.stdev(data) if len(data) > 1 else 0.0
    q1, median, q3 = (
        statistics.quantiles(data, n=4, method="inclusive") if len(data) > 1 else data * 3
    )
    low_fence, high_fence = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    within = [value for value in data if low_fence <= value <= high_fence]
    fenced = len(data) - len(within)
    far = sum(abs(value - mean) > deviation for value in data)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(data),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": fenced,
        "stddev_outliers": far,
        "outliers": f"{far};{fenced}",
        "ld15iqr": within[0],
        "hd15iqr": within[-1],
        "ops": 1 / mean,
        "total": sum(data),
        "data": list(samples),
        "iterations": 1,
    }
