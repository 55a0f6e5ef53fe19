"""Two reports beside each other, in words: for a pull request and as JSON.

`comparison_terminal` lays the same lines out for a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dybench.compare import PREDICTED
from dybench.units import (
    MISSING,
    SECONDS,
    choose_unit,
    format_count,
    format_significant,
)
from dybench.views.markdown import escape, pipe_table
from dybench.views.names import case_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.compare import Change, Comparison, RowComparison, Timing
    from dybench.statistics import Interval

NAMES = {
    "params": "parameters",
    "params_weights": "weights",
    "flops": "FLOPs",
    "peak_memory_bytes": "peak memory in bytes",
    PREDICTED: "peak memory in bytes predicted for CUDA",
    "operator_counts": "runs",
    "latency_s": "latency",
    "relative_latency": "relative latency",
}
UNCHANGED = "unchanged"
HEADER = ("case", "latency old", "latency new", "change", "verdict", "exact figures")


class Line(NamedTuple):
    """A case of both reports in words; `exact` has a line for each exact figure that changed."""

    name: str
    old: str
    new: str
    change: str
    verdict: str
    exact: str


def figures(metric: str, values: Sequence[float | None]) -> list[str]:
    """`values` of a metric as people read them: exact ones to the digit, seconds in one unit."""
    if metric == "relative_latency":
        return [MISSING if v is None else f"×{format_significant(v, 3)}" for v in values]
    if metric == "latency_s":
        unit = choose_unit(values, SECONDS)
        shown = (MISSING if v is None else format_significant(v / unit.size, 4) for v in values)
        return [f"{text} {unit.symbol}" for text in shown]
    return [format_count(None if v is None else round(v)) for v in values]


def change_text(ratio: Interval) -> str:
    """`+12.3 % (+9.1 to +15.6)`."""
    middle, ends = change_parts(ratio)
    return f"{middle} ({ends})"


def change_parts(ratio: Interval) -> tuple[str, str]:
    """`+12.3 %` and `+9.1 to +15.6`."""
    percents = [100 * (x - 1) for x in (ratio.estimate, ratio.low, ratio.high)]
    middle, low, high = (f"{p:+.1f}" for p in percents)
    return f"{middle} %", f"{low} to {high}"


def change_line(change: Change) -> str:
    """`FLOPs 176,947,200 → 181,000,000 (+2.3 %)`."""
    old, new = figures(change.metric, [change.old, change.new])
    name = f"{change.operator} runs" if change.operator else NAMES[change.metric]
    return f"{name} {old} → {new}{percent_text(change.old, change.new)}"


def percent_text(old: float | None, new: float | None) -> str:
    """` (+2.3 %)`, with as many digits as it takes to see it; empty where there is no ratio."""
    if not old or new is None:
        return ""
    return f" ({100 * (new / old - 1):+.3g} %)"


def render_json(comparison: Comparison) -> str:
    """The comparison as JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode() + "\n"


def render_markdown(comparison: Comparison) -> str:
    """The comparison as a pull-request comment: the verdicts, then one table."""
    lines = [compose(row) for row in comparison.rows]
    rows = [["<br>".join(map(escape, text.split("\n"))) for text in line] for line in lines]
    for cells, line in zip(rows, lines, strict=True):
        if line.verdict in ("SLOWER", "FASTER"):
            cells[4] = f"**{line.verdict}**"
    parts = [f"**{escape(summary(comparison))}**"]
    if rows:
        parts.append(pipe_table(list(HEADER), rows, words=("case", "verdict", "exact figures")))
    parts += [escape(text) for text in remarks(comparison)]
    return "\n\n".join(parts) + "\n"


def compose(row: RowComparison) -> Line:
    """What there is to say of a row."""
    name = case_name(row.case)
    exact = "\n".join(map(change_line, row.changes))
    if "ok" not in (row.old_status, row.new_status) or row.old_status != row.new_status:
        status = f"{row.old_status} → {row.new_status}"
        exact = row.old_status if row.old_status == row.new_status else status
    elif not exact:
        exact = UNCHANGED
    timing = row.timing
    if timing is None:
        return Line(name, MISSING, MISSING, row.note or MISSING, MISSING, exact)
    old, new = _timing_figures(timing)
    return Line(name, old, new, change_text(timing.ratio), timing.verdict.upper(), exact)


def _timing_figures(timing: Timing) -> list[str]:
    metric = "relative_latency" if timing.basis == "relative" else "latency_s"
    texts = figures(metric, [timing.old, timing.new])
    return [f"{text} {timing.to}" if timing.to else text for text in texts]


def summary(comparison: Comparison) -> str:
    """How many cases there are, and how many of each verdict."""
    verdicts = [row.verdict for row in comparison.rows]
    counted = [
        f"{verdicts.count(verdict)} {verdict.upper()}"
        for verdict in ("slower", "faster", "same", "unclear")
        if verdict in verdicts
    ]
    stopped = sum(row.stopped for row in comparison.rows)
    neither = sum("ok" not in (row.old_status, row.new_status) for row in comparison.rows)
    counted += [f"{stopped} NO LONGER OK"] if stopped else []
    counted += [f"{neither} not ok in either"] if neither else []
    changed = sum(bool(row.changes) for row in comparison.rows)
    counted.append(f"{changed} with changed exact figures")
    cases = len(comparison.rows)
    return f"{cases} {'case' if cases == 1 else 'cases'} compared: {', '.join(counted)}"


def remarks(comparison: Comparison) -> list[str]:
    """How to read the verdicts, and what was not compared."""
    limits = comparison.thresholds
    over, least = _percent(limits.slower_than), _percent(limits.floor)
    said = [
        f"SLOWER: over {over} by the estimate and {least} by its interval; FASTER: its mirror.",
        "Two runs of one thing differ by some percent; `check --against` sees smaller changes.",
    ]
    if comparison.differences:
        said.append(f"Measured differently: {'; '.join(comparison.differences)}.")
    if not comparison.same_machine:
        said.append(
            "The reports are of different machines, threads or versions of torch (or do not say): "
            "only ratios to the reference are compared, and these may shift by themselves."
        )
    for title, cases in (("old", comparison.only_old), ("new", comparison.only_new)):
        if cases:
            names = "; ".join(case_name(case) for case in cases)
            said.append(f"Only in the {title} report: {names}")
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
