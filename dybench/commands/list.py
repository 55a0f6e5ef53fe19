"""`dybench list`: the upsamplers there are."""

from enum import Enum
from typing import Annotated

import typer

from dybench.commands.formats import choose_format
from dybench.commands.options import JsonFlag


class ListFormat(str, Enum):
    """What the list can be written as."""

    RICH = "rich"
    MARKDOWN = "markdown"
    JSON = "json"


def list_upsamplers(
    as_format: Annotated[
        ListFormat | None, typer.Option("--format", "-f", help="[default: rich]")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the upsamplers: name, guide, scales, parameters, citation."""
    from dybench.commands.output import deliver
    from dybench.views import catalog
    from dybench.views.console import printed
    from dysample import UPSAMPLERS

    chosen = choose_format(ListFormat, as_format, as_json=json)
    if chosen is ListFormat.JSON:
        text = catalog.to_json(UPSAMPLERS)
    elif chosen is ListFormat.MARKDOWN:
        text = catalog.to_markdown(UPSAMPLERS)
    else:
        text = printed(lambda console: catalog.render(UPSAMPLERS, console))
    deliver(text, None)
