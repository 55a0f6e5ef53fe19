"""`dybench list`: the upsamplers there are."""

from enum import Enum
from typing import Annotated

import typer


class ListFormat(str, Enum):
    """What the list can be written as."""

    RICH = "rich"
    MARKDOWN = "markdown"
    JSON = "json"


def list_upsamplers(
    as_format: Annotated[ListFormat, typer.Option("--format", "-f")] = ListFormat.RICH,
) -> None:
    """List the upsamplers: name, guide, scales, parameters, citation."""
    from dybench.commands.output import deliver
    from dybench.views import catalog
    from dybench.views.console import printed
    from dysample import UPSAMPLERS

    if as_format is ListFormat.JSON:
        text = catalog.to_json(UPSAMPLERS)
    elif as_format is ListFormat.MARKDOWN:
        text = catalog.to_markdown(UPSAMPLERS)
    else:
        text = printed(lambda console: catalog.render(UPSAMPLERS, console))
    deliver(text, None)
