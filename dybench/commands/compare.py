"""`dybench compare`: two saved reports beside each other."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dybench.commands.formats import choose_format
from dybench.commands.options import Force, JsonFlag, OutputFile

if TYPE_CHECKING:
    from dybench.compare import Comparison


class ComparisonFormat(str, Enum):
    """What a comparison can be written as."""

    RICH = "rich"
    MARKDOWN = "markdown"
    JSON = "json"


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The report to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The report that is compared.")],
    as_format: Annotated[
        ComparisonFormat | None,
        typer.Option(
            "--format",
            "-f",
            help="markdown fits a pull request [default: by FILE's suffix, else rich].",
        ),
    ] = None,
    json: JsonFlag = False,
    slower_than: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="What counts as slower or faster [default: 20%; 30% between two machines].",
        ),
    ] = None,
    output: OutputFile = None,
    force: Force = False,
) -> None:
    """Compare two reports row by row; nothing is measured.

    Exact figures are compared exactly, latency as the ratio to the reference upsampler of each
    run. The verdicts inform: whatever they are, the exit code is 0. `dybench check` is the gate.
    """
    from dybench.commands.output import deliver
    from dybench.compare import compare_reports
    from dybench.errors import DybenchError
    from dybench.result import load
    from dybench.settings import percentage
    from dybench.verdict import Thresholds

    chosen = choose_format(ComparisonFormat, as_format, as_json=json, output=output)
    thresholds = Thresholds()
    if slower_than is not None:
        limit = percentage("--slower-than", slower_than)
        thresholds = Thresholds(
            slower_than=limit,
            floor=min(thresholds.floor, limit),
            between_runs=limit,
            elsewhere=limit,
        )
    comparison = compare_reports(load(old), load(new), thresholds)
    if not comparison.rows:
        raise DybenchError(f"{old} and {new} have no case in common")
    deliver(_render(comparison, chosen, to_file=output is not None), output, force=force)


def _render(comparison: "Comparison", chosen: ComparisonFormat, *, to_file: bool) -> str:
    from dybench.views import comparison as view

    if chosen is ComparisonFormat.JSON:
        return view.render_json(comparison)
    if chosen is ComparisonFormat.MARKDOWN:
        return view.render_markdown(comparison)
    from dybench.views.comparison_terminal import render
    from dybench.views.console import printed

    return printed(lambda console: render(comparison, console), to_file=to_file)
