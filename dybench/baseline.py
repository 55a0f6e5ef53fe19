"""`check --baseline`: measure a stored report's cases again and judge what changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dybench.compare import compare_reports
from dybench.gate import Finding, judge_comparison, judge_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dybench.case import Case
    from dybench.gate import CaseKey, Only
    from dybench.result import Report
    from dybench.verdict import Thresholds

# Of the output's root mean square: sums of some hundred products round that far apart.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}


class Measured(NamedTuple):
    """A report whose rows carry output probes, and each output's distance from its definition."""

    report: Report
    naive: Mapping[CaseKey, float | None]


if TYPE_CHECKING:
    Measure = Callable[[Sequence[Case]], Measured]


class Checked(NamedTuple):
    """What came of a check against a stored report."""

    findings: list[Finding]
    report: Report


def check_baseline(
    old: Report,
    cases: Sequence[Case],
    measure: Measure,
    thresholds: Thresholds,
    only: Only | None = None,
) -> Checked:
    """Measure `cases` of `old` again and judge them.

    What looks slower is measured a second time and must look slower again, by about as much: a
    neighbour that woke up during one cell disturbs the other in another way.
    """
    asked = {case.key for case in cases}
    kept = [row for row in old.measurements if row.case.key in asked]
    old = msgspec.structs.replace(old, measurements=kept)
    new = measure(cases)
    findings = judge_comparison(compare_reports(old, new.report, thresholds), only)
    slower = {f.case.key: f for f in findings if _is_slower(f)}
    if slower:
        again = measure([case for case in cases if case.key in slower])
        confirmed = judge_comparison(compare_reports(old, again.report, thresholds), only)
        second = {f.case.key: f for f in confirmed if _is_slower(f)}
        findings = [_confirmed(f, second.get(f.case.key)) if _is_slower(f) else f for f in findings]
    if only != "latency":
        findings += judge_outputs(old, new.report, new.naive, TOLERANCES)
    return Checked(findings, new.report)


def _is_slower(finding: Finding) -> bool:
    return finding.metric == "relative_latency" and finding.severity == "regression"


def _confirmed(first: Finding, second: Finding | None) -> Finding:
    """The finding, if a second measurement says the same; else that it is unclear."""
    if second is None:
        text = "slower once, not when measured again"
        return msgspec.structs.replace(first, severity="unclear", text=text)
    once, twice = (math.log(f.interval.estimate) if f.interval else 0.0 for f in (first, second))
    if abs(once - twice) > min(once, twice) / 2:
        text = f"measured again {math.expm1(twice):+.1%}: too noisy here"
        return msgspec.structs.replace(first, severity="unclear", text=text)
    return first if once < twice else second  # the smaller claim
