"""The table as tidy CSV: one line a measurement, plain numbers in SI units."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dybench.case import Case
from dybench.result import Measurement

if TYPE_CHECKING:
    from dybench.result import Report

# pandas turns a column of whole numbers with gaps into floats unless told
_WHOLE = (
    "params",
    "params_weights",
    "flops",
    "peak_memory_bytes",
    "peak_memory_total_bytes",
    "peak_memory_reserved_bytes",
    "predicted_cuda_peak_memory_bytes",
    "rounds",
    "rounds_throttled",
    "clock_low_mhz",
    "clock_high_mhz",
)
_NOTHING = Measurement(case=Case(upsampler="", channels=1, height=1, width=1, scale=1))


def render(report: Report) -> str:
    """Every measurement of the report but for the single samples and counts by operator.

    What is no number (options, uncounted operators) is JSON; a figure there is none of is empty.
    """
    import pandas as pd

    rows = [_flat(row) for row in report.measurements]
    frame = pd.DataFrame(rows, columns=list(_flat(_NOTHING))).astype(dict.fromkeys(_WHOLE, "Int64"))
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _flat(row: Measurement) -> dict[str, Any]:
    case, latency, ratio = row.case, row.latency_s, row.relative_latency
    return {
        "upsampler": case.upsampler,
        "options": json.dumps(case.options, sort_keys=True),
        "channels": case.channels,
        "height": case.height,
        "width": case.width,
        "scale": case.scale,
        "batch": case.batch,
        "dtype": case.dtype,
        "device": case.device,
        "layout": case.layout,
        "mode": case.mode,
        "runtime": case.runtime,
        "status": row.status,
        "reason": row.reason,
        "guided": row.guided,
        "params": row.params,
        "params_weights": row.params_weights,
        "flops": row.flops,
        "flops_unsupported": json.dumps(row.flops_unsupported, sort_keys=True),
        "peak_memory_bytes": row.peak_memory_bytes,
        "peak_memory_kind": row.peak_memory_kind,
        "peak_memory_total_bytes": row.peak_memory_total_bytes,
        "peak_memory_reserved_bytes": row.peak_memory_reserved_bytes,
        "predicted_cuda_peak_memory_bytes": row.predicted_cuda_peak_memory_bytes,
        "first_call_s": row.first_call_s,
        "latency_median_s": latency.median if latency else None,
        "latency_low_s": latency.low if latency else None,
        "latency_high_s": latency.high if latency else None,
        "rounds": len(latency.samples) if latency else None,
        "rounds_throttled": len(latency.throttled) if latency else None,
        "clock_low_mhz": latency.clock_mhz[0] if latency and latency.clock_mhz else None,
        "clock_high_mhz": latency.clock_mhz[1] if latency and latency.clock_mhz else None,
        "kernel_s": row.kernel_s,
        "relative_to": ratio.to if ratio else None,
        "relative_latency": ratio.ratio if ratio else None,
        "relative_latency_low": ratio.low if ratio else None,
        "relative_latency_high": ratio.high if ratio else None,
        "notes": "; ".join(row.notes),
    }
