"""Two reports beside each other: for a terminal, for a pull request, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

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

    from rich.console import Console

    from dybench.compare import Change, Comparison, RowComparison, Timing
    from dybench.statistics import Interval

_STYLES = {"SLOWER": "bold red", "FASTER": "green", "UNCLEAR": "yellow", "SAME": ""}
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
HEADER = ("case", "latency old", "latency new", "change", "verdict", "exact figures")


class _Line(NamedTuple):
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
    percents = [100 * (x - 1) for x in (ratio.estimate, ratio.low, ratio.high)]
    middle, low, high = (f"{p:+.1f}" for p in percents)
    return f"{middle} % ({low} to {high})"


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
    lines = [_line(row) for row in comparison.rows]
    rows = [[escape(text).replace("\n", "<br>") for text in line] for line in lines]
    for cells, line in zip(rows, lines, strict=True):
        if line.verdict in ("SLOWER", "FASTER"):
            cells[4] = f"**{line.verdict}**"
    parts = [f"**{escape(_summary(comparison))}**"]
    if rows:
        parts.append(pipe_table(list(HEADER), rows, words=("case", "verdict", "exact figures")))
    parts += [escape(text) for text in _remarks(comparison)]
    return "\n\n".join(parts) + "\n"


def render(comparison: Comparison, console: Console) -> None:
    """Print the comparison to `console`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in HEADER:
        table.add_column(name, justify="right" if "latency" in name or name == "change" else "left")
    for line in map(_line, comparison.rows):
        style = _STYLES.get(line.verdict, "")
        table.add_row(*line[:4], Text(line.verdict, style), Text(line.exact))
    console.print(Text(_summary(comparison), "bold"))
    if comparison.rows:
        console.print(table)
    for remark in _remarks(comparison):
        console.print(Text(remark))


def _line(row: RowComparison) -> _Line:
    name = case_name(row.case)
    exact = "\n".join(map(change_line, row.changes))
    if "ok" not in (row.old_status, row.new_status) or row.old_status != row.new_status:
        status = f"{row.old_status} → {row.new_status}"
        exact = row.old_status if row.old_status == row.new_status else status
    elif not exact:
        exact = "unchanged"
    timing = row.timing
    if timing is None:
        return _Line(name, MISSING, MISSING, row.note or MISSING, MISSING, exact)
    old, new = _timing_figures(timing)
    return _Line(name, old, new, change_text(timing.ratio), timing.verdict.upper(), exact)


def _timing_figures(timing: Timing) -> list[str]:
    metric = "relative_latency" if timing.basis == "relative" else "latency_s"
    texts = figures(metric, [timing.old, timing.new])
    return [f"{text} {timing.to}" if timing.to else text for text in texts]


def _summary(comparison: Comparison) -> str:
    verdicts = [row.verdict for row in comparison.rows]
    counted = [
        f"{verdicts.count(verdict)} {verdict.upper()}"
        for verdict in ("slower", "faster", "same", "unclear")
        if verdict in verdicts
    ]
    changed = sum(bool(row.changes) for row in comparison.rows)
    counted.append(f"{changed} with changed exact figures")
    return f"{len(comparison.rows)} cases compared: {', '.join(counted)}"


def _remarks(comparison: Comparison) -> list[str]:
    limits = comparison.thresholds
    least = f"{limits.floor:.0%} by the lower end of the 95 % interval"
    remarks = [
        f"SLOWER: over {limits.slower_than:.0%} by the estimate and {least}; FASTER: its mirror.",
        "Two runs of one thing differ by some percent; `check --against` sees smaller changes.",
    ]
    if not comparison.same_machine:
        remarks.append(
            "The reports are of different machines (or do not say): only ratios to the reference "
            "upsampler are compared, and these may shift by themselves."
        )
    for title, cases in (("old", comparison.only_old), ("new", comparison.only_new)):
        if cases:
            names = "; ".join(case_name(case) for case in cases)
            remarks.append(f"Only in the {title} report: {names}")
    return remarks
