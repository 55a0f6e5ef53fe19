"""`dybench table`: show a saved report."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dybench.commands.formats import choose_format
from dybench.commands.options import Force, JsonFlag, OutputFile

if TYPE_CHECKING:
    from dybench.result import Report

RESULTS = Path("results")


class TableFormat(str, Enum):
    """What a table can be written as."""

    RICH = "rich"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    HTML = "html"
    JSON = "json"


def table(
    report: Annotated[
        Path | None,
        typer.Argument(
            metavar="REPORT",
            help="A saved report [default: the newest in results/].",
            show_default=False,
        ),
    ] = None,
    as_format: Annotated[
        TableFormat | None,
        typer.Option(
            "--format", "-f", help="[default: by FILE's suffix, else rich]", show_default=False
        ),
    ] = None,
    json: JsonFlag = False,
    output: OutputFile = None,
    force: Force = False,
) -> None:
    """Show a saved report as a table; nothing is measured."""
    chosen = choose_format(TableFormat, as_format, as_json=json, output=output)

    from dybench.commands.output import deliver
    from dybench.reports import newest_report
    from dybench.result import load

    found = load(report if report is not None else newest_report(RESULTS))
    deliver(_render(found, chosen, to_file=output is not None), output, force=force)


def _render(report: "Report", chosen: TableFormat, *, to_file: bool) -> str:
    if chosen is TableFormat.RICH:
        from dybench.views import terminal
        from dybench.views.console import printed

        return printed(lambda console: terminal.render(report, console), to_file=to_file)
    if chosen is TableFormat.MARKDOWN:
        from dybench.views import markdown

        return markdown.render(report)
    if chosen is TableFormat.LATEX:
        from dybench.views import latex

        return latex.render(report)
    if chosen is TableFormat.CSV:
        from dybench.views import csv

        return csv.render(report)
    if chosen is TableFormat.HTML:
        from dybench.views import html

        return html.render(report)
    from dybench.views import json

    return json.render(report)
