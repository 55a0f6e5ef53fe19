"""The table as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dybench.units import MISSING
from dybench.views.cells import (
    BEST_MARK,
    FRONT_MARKS,
    GUIDE_MARK,
    PARTIAL_MARK,
    cell_tables,
    legend,
    machine_line,
)
from dybench.views.inline import convert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.result import Report
    from dybench.views.cells import CellTable, Problem, Row
    from dybench.views.columns import Value

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")

WORDS = ("upsampler", "status")


def render(report: Report) -> str:
    """The report's tables, one a grid cell, best figures in bold."""
    tables = cell_tables(report)
    blocks = [_table(table) for table in tables] or ["No measurements in this report."]
    lines = [
        f"{'**bold**' if mark == BEST_MARK else mark}: {text}" for mark, text in legend(tables)
    ]
    measured = f"Measured on {machine_line(report)}; in brackets 95% intervals."
    if not report.complete:
        measured += " Incomplete: the run did not finish."
    return "\n\n".join([*blocks, escape(measured), "  \n".join(lines)]).rstrip() + "\n"


def escape(text: str) -> str:
    """`text` as Markdown shows it literally, `code` kept as code; safe in a table."""
    return convert(
        text,
        lambda plain: _SPECIAL.sub(r"\\\1", plain),
        lambda code: "`" + code.replace("|", "\\|") + "`",
    )


def pipe_table(header: list[str], rows: list[list[str]], words: Sequence[str] = WORDS) -> str:
    """A pipe table of finished cells; the columns of `words` lean left, the others right."""
    rule = [":---" if name in words else "---:" for name in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def _table(table: CellTable) -> str:
    status = ["status"] if table.problems else []
    header = ["upsampler", *(escape(column.header) for column in table.columns), *status]
    rows = []
    for row in table.rows:
        cells = [_label(row), *map(_figure, row.values)]
        rows.append([*cells, _status(row.problem)] if status else cells)
    gaps = [MISSING] * len(table.columns)
    rows += [[escape(problem.label), *gaps, _status(problem)] for problem in table.bare]
    notes = [f"{n}. {escape(note)}" for n, note in enumerate(table.notes, 1)]
    uncounted = [f"- {PARTIAL_MARK} not counted in {escape(text)}" for text in table.uncounted]
    parts = [f"**{escape(table.title)}**", pipe_table(header, rows)]
    parts += ["\n".join(notes), "\n".join(uncounted)]
    return "\n\n".join(part for part in parts if part)


def _status(problem: Problem | None) -> str:
    return "ok" if problem is None else escape(f"{problem.status}: {problem.reason}")


def _figure(value: Value) -> str:
    text = f"**{value.text}**" if value.best else value.text
    text += PARTIAL_MARK if value.partial else ""
    return f"{text} [{value.interval}]" if value.interval else text


def _label(row: Row) -> str:
    notes = ", ".join(map(str, row.notes))
    marks = [GUIDE_MARK if row.guided else "", FRONT_MARKS[row.front]]
    marks.append(f"<sup>{notes}</sup>" if notes else "")
    return " ".join([escape(row.label), *(mark for mark in marks if mark)])
