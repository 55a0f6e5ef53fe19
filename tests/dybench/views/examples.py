"""The report that the formats are tried on: every mark, status and footnote occurs in it."""

from __future__ import annotations

from tests.dybench.factories import make_cell, make_measurement, make_report

NOTHING = {"params": None, "flops": None, "memory": None, "latency": None}
REASON = "`scale` (=3) must be 2: 100% of 1_000 & <b>more</b> | so"


def example():
    """Two cells: the second has rows that are not ok."""
    first = [
        *make_cell(["bilinear", "nearest", "dysample", "dysample-s+"]),
        *make_cell(["sapa-b"], guided=True, notes=["wide spread: close other programs"]),
        make_measurement("my_pkg.ups:My_Up", ratio=1.2, flops_unsupported={"aten::foo": 3}),
    ]
    second = [
        *make_cell(["bilinear", "dysample"], scale=3),
        make_measurement("deconv", scale=3, status="skipped", reason=REASON, **NOTHING),
        make_measurement(
            "carafe", scale=3, status="out_of_memory", reason="4 GB", memory=None, latency=None
        ),
    ]
    return make_report(first + second)
