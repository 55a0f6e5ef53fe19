"""The table as one self-contained web page."""

from __future__ import annotations

from html import escape as escape_text
from typing import TYPE_CHECKING

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
    from dybench.result import Report
    from dybench.views.cells import CellTable, Row
    from dybench.views.columns import Column, Value

_STYLE = """
body { margin: 2rem auto; padding: 0 1rem; max-width: 80rem; color: #1b1f24; background: #fff;
       font: 1rem/1.5 system-ui, sans-serif; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1.5rem 0 .5rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .25rem .75rem; text-align: right; white-space: nowrap; }
th:first-child, td.status { text-align: left; }
td.status { white-space: normal; color: #7a4a00; }
thead th { vertical-align: bottom; border-bottom: 2px solid #57606a; }
thead small { display: block; font-weight: 400; color: #57606a; }
tbody th { font-weight: 400; }
tbody tr:nth-child(even) { background: #f6f8fa; }
tbody strong { color: #116329; }
.interval { color: #57606a; }
.notes { color: #57606a; font-size: .9rem; margin: 0; padding: 0; list-style: none; }
""".strip()


def render(report: Report) -> str:
    """A page with one table a grid cell; it loads nothing and runs no script."""
    tables = cell_tables(report)
    body = [_table(table) for table in tables] or ["<p>No measurements in this report.</p>"]
    if not report.complete:
        body.insert(0, "<p><strong>Incomplete: the run did not finish.</strong></p>")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>dybench: upsamplers measured</title>",
            f"<style>\n{_STYLE}\n</style>",
            "</head>",
            "<body>",
            "<h1>Upsamplers measured</h1>",
            f"<p>{escape(machine_line(report))} · {escape(f'`{report.command}`')}</p>",
            *body,
            _legend(tables),
            "</body>",
            "</html>",
            "",
        ]
    )


def escape(text: str) -> str:
    """`text` as HTML shows it literally, what stands between backticks as code."""
    return convert(text, escape_text, lambda code: f"<code>{escape_text(code)}</code>")


def _table(table: CellTable) -> str:
    heads = "".join(f'<th scope="col">{_head(column)}</th>' for column in table.columns)
    span = max(len(table.columns), 1)
    rows = [
        f'<tr><th scope="row">{_label(row)}</th>'
        + "".join(f"<td>{_figure(value)}</td>" for value in row.values)
        + "</tr>"
        for row in table.rows
    ]
    rows += [
        f'<tr><th scope="row">{escape(problem.label)}</th><td class="status" colspan="{span}">'
        f"{escape(problem.status)}: {escape(problem.reason)}</td></tr>"
        for problem in table.problems
    ]
    notes = [f"<li><sup>{n}</sup> {escape(note)}</li>" for n, note in enumerate(table.notes, 1)]
    notes += [f"<li>{PARTIAL_MARK} not counted in {escape(t)}</li>" for t in table.uncounted]
    lines = [
        '<div class="wide">',
        "<table>",
        f"<caption>{escape(table.title)}</caption>",
        f'<thead><tr><th scope="col">upsampler</th>{heads}</tr></thead>',
        "<tbody>",
        *rows,
        "</tbody>",
        "</table>",
        *(['<ul class="notes">', *notes, "</ul>"] if notes else []),
        "</div>",
    ]
    return "\n".join(lines)


def _head(column: Column) -> str:
    small = ", ".join(part for part in (column.detail, column.unit) if part)
    return escape(column.name) + (f" <small>{escape(small)}</small>" if small else "")


def _figure(value: Value) -> str:
    text = escape(value.text)
    text = f"<strong>{text}</strong>" if value.best else text
    text += PARTIAL_MARK if value.partial else ""
    if value.interval:
        text += f' <span class="interval">[{escape(value.interval)}]</span>'
    return text


def _label(row: Row) -> str:
    text = escape(row.label)
    if row.notes:
        text += f"<sup>{', '.join(map(str, row.notes))}</sup>"
    if row.guided:
        text += f" {GUIDE_MARK}"
    return f"{text} {FRONT_MARKS[row.front]}" if row.front else text


def _legend(tables: list[CellTable]) -> str:
    marks = [
        f"<li>{'<strong>bold</strong>' if mark == BEST_MARK else escape(mark)}: {escape(text)}</li>"
        for mark, text in legend(tables)
    ]
    return "\n".join(['<ul class="notes">', *marks, "<li>[ ]: 95% interval</li>", "</ul>"])
