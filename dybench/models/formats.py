"""The tables of `dybench models`: terminal, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dybench.models.tables import AGREES, AGREES_OTHERWISE, DISAGREES, legend, tables
from dybench.views import latex, markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from dybench.models.hosts import Model
    from dybench.models.rows import Row
    from dybench.models.tables import ModelTable


def print_rich(models: Sequence[Model], rows: Sequence[Row], console: Console) -> None:
    """Print one table a network, remarks below it, in the width that `console` has."""
    from rich.table import Table
    from rich.text import Text

    shown = tables(models, rows)
    for table in shown:
        console.print(Text(table.title, "bold"))
        console.print(Text(table.about, "dim"))
        grid, lost = _fit(table, console)
        console.print(grid)
        below = Table.grid(padding=(0, 2, 0, 0))
        below.add_column(no_wrap=True)
        below.add_column(overflow="fold")
        for name, text in table.remarks:
            below.add_row(Text(name), Text(text))
        if table.remarks:
            console.print(below)
        if lost:
            console.print(Text(f"No room for: {', '.join(lost)}.", "dim"))
        console.print()
    for mark, meaning in legend(shown):
        console.print(Text(f"{mark} {meaning}", "dim"))


# Columns that are given up for width, least useful first, by their name or detail.
_SAVINGS = ("weights only", "published", "memory", "params")


def _fit(table: ModelTable, console: Console) -> tuple[Table, list[str]]:
    """The figures with as many columns as `console` has room for, and what is left out."""
    wide = console.options.update(max_width=999)
    lost: list[str] = []
    grid = _grid(table, lost)
    for name in _SAVINGS:
        if console.measure(grid, options=wide).maximum <= console.width:
            break
        if any(name in column for column in table.headers):
            lost.append(name)
            grid = _grid(table, lost)
    return grid, lost


def _grid(table: ModelTable, hidden: Sequence[str]) -> Table:
    """The figures as a Rich table whose cells do not wrap."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    kept = [i for i, column in enumerate(table.headers) if not set(column) & set(hidden)]
    for i in kept:
        name, detail = table.headers[i]
        header = "\n".join([name, *(detail.split(", ") if detail else [])])
        justify: Literal["left", "right"] = "right" if i else "left"
        grid.add_column(Text(header), justify=justify, vertical="bottom", no_wrap=True)
    for cells in table.rows:
        grid.add_row(*(Text(cells[i]) for i in kept))
    return grid


def to_markdown(models: Sequence[Model], rows: Sequence[Row]) -> str:
    """GitHub-flavoured Markdown, the remarks in a column of their own."""
    shown = tables(models, rows)
    blocks = []
    for table in shown:
        remarks = dict(table.remarks)
        names = [header(name, detail) for name, detail in table.headers]
        cells = [
            [*map(markdown.escape, row), markdown.escape(remarks.get(row[0].split(" ")[0], ""))]
            for row in table.rows
        ]
        pipes = markdown.pipe_table(
            [*map(markdown.escape, names), "note"], cells, words=("upsampler", "note")
        )
        blocks += [f"**{markdown.escape(table.title)}**  \n{markdown.escape(table.about)}", pipes]
    marks = [f"{mark}: {meaning}" for mark, meaning in legend(shown)]
    return "\n\n".join([*blocks, "  \n".join(marks)]).rstrip() + "\n"


def to_latex(models: Sequence[Model], rows: Sequence[Row]) -> str:
    r"""One `table*` a network, with `booktabs`; remarks below the figures."""
    shown = tables(models, rows)
    blocks = [_latex_table(table, number) for number, table in enumerate(shown, 1)]
    return "\n\n".join([r"% needs \usepackage{booktabs}", *blocks]) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """One line a row, plain SI numbers, empty where there is no figure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(_flat(rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(row) for row in rows)
    return text.getvalue()


def to_json(rows: Sequence[Row], measured: Mapping[str, Any] | None = None) -> str:
    """`{"rows": […]}`, and what `measured` says of the machine where anything was."""
    body = {"rows": msgspec.to_builtins(list(rows)), **(measured or {})}
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def header(name: str, detail: str) -> str:
    """A column's name on one line."""
    return f"{name} ({detail})" if detail else name


def _flat(row: Row) -> dict[str, Any]:
    latency, ratio = row.latency_s, row.relative_latency
    return {
        "model": row.model,
        "upsampler": row.upsampler,
        "status": row.status,
        "reason": row.reason,
        "guided": row.guided,
        "modules": row.modules,
        "added_params": row.added_params,
        "added_params_weights": row.added_params_weights,
        "added_flops": row.added_flops,
        "flops_unsupported": json.dumps(row.flops_unsupported, sort_keys=True),
        "added_memory_bytes": row.added_memory_bytes,
        "added_memory_kind": row.added_memory_kind,
        "added_latency_s": row.added_latency_s,
        "latency_low_s": latency.low if latency else None,
        "latency_high_s": latency.high if latency else None,
        "relative_to": ratio.to if ratio else None,
        "relative_latency": ratio.ratio if ratio else None,
        "published_params": row.published_params,
        "published_flops": row.published_flops,
        "note": row.note,
    }


def _latex_table(table: ModelTable, number: int) -> str:
    heads = [_latex_line([name for name, _ in table.headers])]
    if any(detail for _, detail in table.headers):
        heads.append(_latex_line([f"({detail})" if detail else "" for _, detail in table.headers]))
    lines = [
        r"\begin{table*}",
        r"  \centering",
        r"  \footnotesize",
        rf"  \caption{{{_tex(table.title)} ({_tex(table.about)}).}}",
        rf"  \label{{tab:models-{number}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(table.headers) - 1)}}}",
        r"    \toprule",
        *heads,
        r"    \midrule",
        *map(_latex_line, table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip {_tex(name)}: {_tex(text)}" for name, text in table.remarks),
        *(rf"  \par\smallskip {_tex(mark)} {_tex(meaning)}" for mark, meaning in legend([table])),
        r"\end{table*}",
    ]
    return "\n".join(lines)


def _latex_line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(map(_tex, cells))} " + r"\\"


def _tex(text: str) -> str:
    signs = {AGREES: r"$\surd$", AGREES_OTHERWISE: r"$\approx$", DISAGREES: r"$\neq$"}
    escaped = latex.escape(text)
    for sign, command in signs.items():
        escaped = escaped.replace(sign, command)
    return escaped
