"""What `check` found, one line each: plain, as GitHub annotations, as a step summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from dybench.gate import SEVERITIES
from dybench.views.comparison import NAMES, change_text, figures, percent_text
from dybench.views.markdown import escape
from dybench.views.names import case_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.duel import Bout
    from dybench.gate import Finding, Severity

_ANNOTATIONS = {"regression": "error", "unclear": "warning", "warning": "warning"}
_PLURALS: dict[Severity, str] = {
    "regression": "regressions",
    "unclear": "unclear",
    "warning": "warnings",
    "improvement": "improvements",
}


def line(finding: Finding) -> str:
    """Upsampler, case, metric, old, new and interval of one finding, on one line."""
    parts = [f"{finding.severity.upper()}  {case_name(finding.case)}: {_metric(finding)}"]
    if finding.metric == "output":
        parts[0] += f" off by {finding.new:.2g}, at most {finding.old:.2g}"
    elif finding.old is not None or finding.new is not None:
        old, new = figures(finding.metric, [finding.old, finding.new])
        parts[0] += f" {old} → {new}"
        if finding.interval is None:
            parts[0] += percent_text(finding.old, finding.new)
    if finding.interval is not None:
        parts.append(change_text(finding.interval))
    if finding.text:
        parts.append(finding.text)
    return ", ".join(parts)


def summary(findings: Sequence[Finding], cases: int) -> str:
    """`12 cases: 1 regression, 2 unclear`."""
    counts = Counter(finding.severity for finding in findings)
    said = [
        f"{counts[severity]} {_PLURALS[severity] if counts[severity] != 1 else severity}"
        for severity in SEVERITIES
        if counts[severity]
    ]
    noun = "case" if cases == 1 else "cases"
    return f"{cases} {noun}: {', '.join(said) or 'nothing got worse'}"


def workflow_commands(findings: Sequence[Finding]) -> list[str]:
    """Workflow commands that GitHub Actions shows on the run: `::error title=…::…`."""
    return [
        f"::{_ANNOTATIONS[finding.severity]} title={_property(f'dybench: {_title(finding)}')}"
        f"::{_data(line(finding))}"
        for finding in findings
        if finding.severity in _ANNOTATIONS
    ]


def render_json(
    findings: Sequence[Finding], bouts: Sequence[Bout], *, cases: int, code: int
) -> str:
    """The findings, and of what was measured against a revision each verdict and its intervals."""
    document = {
        "schema": "dybench-check/1",
        "exit_code": code,
        "cases": cases,
        "findings": findings,
        "judgements": [
            {"case": bout.case, "processes": len(bout.rounds.head), "judgement": bout.judgement}
            for bout in bouts
            if bout.judgement is not None
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def step_summary(findings: Sequence[Finding], cases: int) -> str:
    """Markdown for `$GITHUB_STEP_SUMMARY`."""
    items = [f"- {escape(line(finding))}" for finding in findings]
    return "\n".join([f"### dybench check: {escape(summary(findings, cases))}", "", *items]) + "\n"


def _metric(finding: Finding) -> str:
    if finding.metric == "operator_counts":
        return f"{finding.detail} runs"
    name = NAMES.get(finding.metric, finding.metric)
    return f"{name} (to {finding.detail})" if finding.detail else name


def _title(finding: Finding) -> str:
    return f"{finding.case.upsampler} {NAMES.get(finding.metric, finding.metric)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
