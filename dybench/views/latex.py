r"""The table as LaTeX for a paper: needs `\usepackage{booktabs}` and no other package."""

from __future__ import annotations

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

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "[": "{[}",  # after \\ or \toprule a bare bracket would be read as an option
        "]": "{]}",
        "×": r"$\times$",
        "±": r"$\pm$",
        "µ": r"$\mu$",
        "–": "--",
        "−": "$-$",
        "…": r"\dots{}",
        "★": r"$\star$",
        "◆": r"$\diamond$",
        "†": r"$^{\dagger}$",
        "≤": r"$\le$",
        "≥": r"$\ge$",
        "²": "$^{2}$",
        "\u202f": "~",
        "\u00a0": "~",
    }
)


def render(report: Report) -> str:
    r"""One `table*` a grid cell, best figures in bold, the caption with machine and cell."""
    tables = cell_tables(report)
    head = "\n".join(
        [
            r"% needs \usepackage{booktabs}; spans both columns of a two-column page.",
            r"% Too wide? Put \resizebox{\linewidth}{!}{...} of graphicx around the tabular.",
        ]
    )
    blocks = [_table(table, i, report) for i, table in enumerate(tables, 1)]
    return "\n\n".join([head, *(blocks or ["% no measurements in this report"])]) + "\n"


def escape(text: str) -> str:
    r"""`text` as LaTeX sets it literally, what stands between backticks in `\texttt`."""
    return convert(
        text,
        lambda plain: plain.translate(_ESCAPES),
        lambda code: rf"\texttt{{{code.translate(_ESCAPES)}}}",
    )


def _table(table: CellTable, number: int, report: Report) -> str:
    caption = f"Upsamplers at {table.title}, measured on {machine_line(report)}."
    if not report.complete:
        caption += " Incomplete: the run did not finish."
    width = len(table.columns)
    lines = [
        r"\begin{table*}",
        r"  \centering",
        r"  \footnotesize",
        r"  \setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{tab:upsamplers-{number}}}",
        rf"  \begin{{tabular}}{{l{'r' * max(width, 1)}}}",
        r"    \toprule",
        *(f"    {' & '.join(cells)} " + r"\\" for cells in _head(table.columns)),
        r"    \midrule",
        *(
            f"    {' & '.join([_label(row), *map(_figure, row.values)])} " + r"\\"
            for row in table.rows
        ),
        *_problems(table),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip {note}" for note in _notes(table)),
        r"\end{table*}",
    ]
    return "\n".join(lines)


def _head(columns: tuple[Column, ...]) -> list[list[str]]:
    """Up to three lines: names, what of it, units; a line with nothing in it is left out."""
    names = ["upsampler", *(escape(column.name) for column in columns)]
    details = ["", *(escape(column.detail) for column in columns)]
    units = ["", *(escape(f"({column.unit})") if column.unit else "" for column in columns)]
    return [line for line in (names, details, units) if any(line)]


def _problems(table: CellTable) -> list[str]:
    """Rows that are not ok: the reason, in the width of all figures together."""
    span = max(len(table.columns), 1)
    return [
        rf"    {escape(problem.label)} & \multicolumn{{{span}}}{{p{{0.6\linewidth}}}}"
        rf"{{\emph{{{escape(problem.status)}}}: {escape(problem.reason)}}} " + r"\\"
        for problem in table.problems
    ]


def _notes(table: CellTable) -> list[str]:
    marks = [
        (r"\textbf{bold}" if mark == BEST_MARK else escape(mark), meaning)
        for mark, meaning in legend([table])
    ]
    notes = ["; ".join(f"{mark}: {escape(meaning)}" for mark, meaning in marks)]
    notes += [f"$^{{{n}}}$ {escape(note)}" for n, note in enumerate(table.notes, 1)]
    notes += [f"{escape(PARTIAL_MARK)} not counted in {escape(text)}" for text in table.uncounted]
    if any(value.interval for row in table.rows for value in row.values):
        notes.append(escape("In brackets: 95% intervals."))
    return [note for note in notes if note]


def _figure(value: Value) -> str:
    text = escape(value.text)
    text = rf"\textbf{{{text}}}" if value.best else text
    text += escape(PARTIAL_MARK) if value.partial else ""
    return f"{text} {escape(f'[{value.interval}]')}" if value.interval else text


def _label(row: Row) -> str:
    notes = ",".join(map(str, row.notes))
    marks = [GUIDE_MARK] if row.guided else []
    marks += [FRONT_MARKS[row.front]] if row.front else []
    text = escape(row.label) + (f"$^{{{notes}}}$" if notes else "")
    return " ".join([text, *map(escape, marks)])
