"""A report as github-action-benchmark reads it, with `tool: customSmallerIsBetter`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dybench.views.names import case_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dybench.result import Measurement, Report


def render(report: Report) -> str:
    """A list of `{name, unit, value, range?, extra?}`: latency, memory, FLOPs and parameters."""
    entries = [entry for row in report.measurements for entry in _entries(row)]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def _entries(row: Measurement) -> Iterator[dict[str, Any]]:
    if row.status != "ok":
        return
    name = case_name(row.case)
    if (latency := row.latency_s) is not None:
        half = (latency.high - latency.low) / 2
        yield {
            "name": f"{name}: latency",
            "unit": "ms",
            "value": latency.median * 1e3,
            "range": f"± {half * 1e3:.4g}",
            "extra": f"median of {len(latency.samples)} rounds",
        }
    if (relative := row.relative_latency) is not None:
        yield {
            "name": f"{name}: latency relative to {relative.to}",
            "unit": "×",
            "value": relative.ratio,
            "range": f"± {(relative.high - relative.low) / 2:.4g}",
        }
    exact = (
        ("peak memory", "bytes", row.peak_memory_bytes),
        ("FLOPs", "FLOPs", row.flops),
        ("parameters", "parameters", row.params),
    )
    for metric, unit, value in exact:
        if value is not None:
            yield {"name": f"{name}: {metric}", "unit": unit, "value": value}
