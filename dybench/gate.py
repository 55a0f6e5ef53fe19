"""What `check` objects to: comparisons and duels in, findings out, worst first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from dybench.case import Case
from dybench.compare import Change, Comparison, RowComparison, exact_changes
from dybench.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dybench.duel import Bout, Exact
    from dybench.result import Report
    from dybench.verdict import Side

    CaseKey = tuple[object, ...]

Severity = Literal["regression", "unclear", "warning", "improvement"]
SEVERITIES: tuple[Severity, ...] = ("regression", "unclear", "warning", "improvement")
Only = Literal["exact", "latency"]

REGRESSION, INCONCLUSIVE = 3, 4  # exit codes

# Libraries' workspaces differ between processors; what torch's own tensors take does not.
PEAK_ELSEWHERE = 0.05


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say about one case.

    Attributes:
        metric: what changed, a field of `Measurement`, `output` or `status`.
        detail: of the metric, such as the operator's name.
        old, new: before and after, in SI units; None where there is no figure.
        interval: of new over old, where it was timed.
        text: why, where figures do not say it.
    """

    severity: Severity
    case: Case
    metric: str
    detail: str = ""
    old: float | None = None
    new: float | None = None
    interval: Interval | None = None
    text: str = ""


class Agreement(msgspec.Struct, frozen=True):
    """How far an output is from what it is held to, and how far it may be, both relative."""

    deviation: float
    tolerance: float
    against: str


def exit_code(findings: Iterable[Finding], *, strict: bool) -> int:
    """0, 3 for a regression, or 4 for something unclear if `strict`."""
    severities = {finding.severity for finding in findings}
    if "regression" in severities:
        return REGRESSION
    return INCONCLUSIVE if strict and "unclear" in severities else 0


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, worst first; faster is not said while an output disagrees."""
    wrong = any(f.metric == "output" and f.severity == "regression" for f in findings)
    said = [f for f in findings if not (wrong and f.severity == "improvement")]
    return sorted(said, key=lambda finding: SEVERITIES.index(finding.severity))


def judge_comparison(comparison: Comparison, only: Only | None = None) -> list[Finding]:
    """What a stored report has to say about a new one.

    Exact figures must not rise; the relative latency must not be slower; an absolute latency that
    is slower, on the same machine, is a warning.
    """
    findings: list[Finding] = []
    for row in comparison.rows:
        if row.old_status != row.new_status:
            findings.append(_of_status(row))
        elif row.old_status not in ("ok", "skipped"):
            status = row.old_status.replace("_", " ")
            text = f"{status} in the baseline as now: nothing of it is held"
            findings.append(Finding(severity="unclear", case=row.case, metric="status", text=text))
        if only != "latency":
            findings += [
                of_change(row.case, change, same_machine=comparison.same_machine)
                for change in row.changes
            ]
        if only != "exact":
            findings += _of_timing(row)
    text = "it is in the baseline and was not measured now"
    findings += [
        Finding(severity="regression", case=case, metric="status", text=text)
        for case in comparison.only_old
    ]
    text = "it is not in the baseline: accept it with --update-baseline"
    findings += [
        Finding(severity="warning", case=case, metric="status", text=text)
        for case in comparison.only_new
    ]
    return findings


def of_change(case: Case, change: Change, *, same_machine: bool = True) -> Finding:
    """A rise is a regression, a fall an improvement; a figure that came or went, a warning."""
    severity: Severity = "regression" if change.rose else "improvement"
    text = ""
    if change.old is None or change.new is None:
        gone = change.new is None
        severity, text = "regression" if gone else "warning", "gone" if gone else "new"
    elif change.metric == "peak_memory_bytes" and change.rose and not same_machine:
        if change.new <= change.old * (1 + PEAK_ELSEWHERE):
            severity, text = "warning", "another machine's libraries may take more"
    elif change.metric == "operator_counts" and change.old == 0:
        text = "a new operator"
    return Finding(
        severity=severity,
        case=case,
        metric=change.metric,
        detail=change.operator,
        old=change.old,
        new=change.new,
        text=text,
    )


def judge_agreement(case: Case, agreement: Agreement) -> list[Finding]:
    """An output that is further off than its dtype explains is a regression."""
    if agreement.deviation <= agreement.tolerance:
        return []
    text = f"differs from {agreement.against}, relative to its root mean square"
    return [
        Finding(
            severity="regression",
            case=case,
            metric="output",
            old=agreement.tolerance,
            new=agreement.deviation,
            text=text,
        )
    ]


def judge_bouts(
    bouts: Sequence[Bout], tolerances: Mapping[str, float], only: Only | None = None
) -> list[Finding]:
    """What head against base has to say. `tolerances` are those of outputs, by dtype."""
    findings: list[Finding] = []
    for bout in bouts:
        if bout.foreign:
            text = f"its code is not of this repository: {bout.foreign}"
            findings.append(Finding(severity="warning", case=bout.case, metric="status", text=text))
            continue
        if bout.errors:
            findings.append(_of_errors(bout.case, bout.errors))
            continue
        if only != "latency" and bout.base is not None and bout.head is not None:
            findings += _of_exact(bout.case, bout.base, bout.head, tolerances[bout.case.dtype])
        if only != "exact":
            findings += _of_judgement(bout)
    return findings


def _of_status(row: RowComparison) -> Finding:
    worse = row.old_status == "ok"
    return Finding(
        severity="regression" if worse else "improvement",
        case=row.case,
        metric="status",
        text=f"{row.old_status} → {row.new_status}",
    )


def _of_timing(row: RowComparison) -> list[Finding]:
    findings = []
    if row.note.startswith("no relative latency"):
        findings.append(
            Finding(severity="warning", case=row.case, metric="relative_latency", text=row.note)
        )
    for timing in (row.relative, row.absolute):
        if timing is None or timing.verdict == "same":
            continue
        severity: Severity = "improvement" if timing.verdict == "faster" else "unclear"
        if timing.verdict == "slower":
            severity = "regression"
        if timing.basis == "absolute":
            if timing.verdict != "slower":
                continue
            severity = "warning"
        findings.append(
            Finding(
                severity=severity,
                case=row.case,
                metric="relative_latency" if timing.basis == "relative" else "latency_s",
                detail=timing.to,
                old=timing.old,
                new=timing.new,
                interval=timing.ratio,
            )
        )
    return findings


def _of_errors(case: Case, errors: Mapping[Side, str]) -> Finding:
    """Head alone failing is a regression; base failing leaves nothing to compare with."""
    if "base" in errors or "control" in errors:
        text = f"base cannot run it: {errors.get('base') or errors['control']}"
        return Finding(severity="warning", case=case, metric="status", text=text)
    text = f"it works on base and not now: {errors['head']}"
    return Finding(severity="regression", case=case, metric="status", text=text)


def _of_exact(case: Case, base: Exact, head: Exact, tolerance: float) -> list[Finding]:
    if base.row.status != head.row.status:
        text = f"{base.row.status} → {head.row.status}: {head.row.reason or base.row.reason}"
        worse = base.row.status == "ok"
        return [
            Finding(
                severity="regression" if worse else "improvement",
                case=case,
                metric="status",
                text=text,
            )
        ]
    if head.row.status not in ("ok", "skipped"):
        text = f"{head.row.status.replace('_', ' ')} on base as now: {head.row.reason}"
        return [Finding(severity="unclear", case=case, metric="status", text=text)]
    findings = [of_change(case, change) for change in exact_changes(base.row, head.row)]
    if head.naive_deviation is not None:
        held = Agreement(head.naive_deviation, tolerance, "its naive definition")
        findings += judge_agreement(case, held)
    if ":" in case.upsampler:  # a plug-in has no definition but what it did before
        deviation = probe_deviation(head.row.output_probe, base.row.output_probe)
        findings += judge_agreement(case, Agreement(deviation, tolerance, "base's, same seed"))
    return findings


def judge_outputs(
    old: Report,
    new: Report,
    naive: Mapping[CaseKey, float | None],
    tolerances: Mapping[str, float],
) -> list[Finding]:
    """Each output against the stored one of the same seed, and against its naive definition."""
    stored = {row.case.key: row.output_probe for row in old.measurements}
    findings: list[Finding] = []
    for row in new.measurements:
        tolerance = tolerances[row.case.dtype]
        if row.output_probe and stored.get(row.case.key):
            deviation = probe_deviation(row.output_probe, stored[row.case.key])
            held = Agreement(deviation, tolerance, "the baseline's, same seed")
            findings += judge_agreement(row.case, held)
        defined = naive.get(row.case.key)
        if defined is not None:
            held = Agreement(defined, tolerance, "its naive definition")
            findings += judge_agreement(row.case, held)
    return findings


def probe_deviation(new: Sequence[float], old: Sequence[float]) -> float:
    """The largest difference of two output probes relative to the older one's root mean square.

    Infinite where one of them lacks what the other has.
    """
    if len(new) != len(old):
        return math.inf
    if not old:
        return 0.0
    scale = max(abs(old[0]), 1e-30)
    return max(abs(a - b) for a, b in zip(new, old, strict=True)) / scale


def _of_judgement(bout: Bout) -> list[Finding]:
    if bout.judgement is None:
        text = bout.note or "it was not timed"
        return [Finding(severity="unclear", case=bout.case, metric="latency_s", text=text)]
    judgement = bout.judgement
    if judgement.verdict == "same":
        return []
    severity: Severity = "unclear"
    if judgement.verdict != "unclear":
        severity = "regression" if judgement.verdict == "slower" else "improvement"
    old = _median([*bout.rounds.base, *bout.rounds.control])
    return [
        Finding(
            severity=severity,
            case=bout.case,
            metric="latency_s",
            old=old,
            new=_median(bout.rounds.head),
            interval=judgement.ratio,
            text=judgement.reason,
        )
    ]


def _median(processes: Sequence[Sequence[float]]) -> float:
    values = sorted(value for rounds in processes for value in rounds)
    half = len(values) // 2
    return (values[half] + values[-1 - half]) / 2
