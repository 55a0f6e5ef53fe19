"""The upsamplers there are, as `dybench list` shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from dybench.views.markdown import escape, pipe_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from dysample.catalog import UpsamplerEntry

_LEGEND = "C channels, s scale, g groups; guide: a high-resolution map that is needed as well"
_WIDE = 76  # below it the titles make room


def render(entries: Mapping[str, UpsamplerEntry], console: Console) -> None:
    """Print the upsamplers and, numbered below, where they come from."""
    sources = _sources(entries)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    titles = console.width >= _WIDE
    names = ["name", *(["title"] if titles else []), "guide", "scales", "parameters"]
    for name in names:
        table.add_column(name, no_wrap=name != "parameters")
    table.add_column("source", justify="right", no_wrap=True)
    for name, entry in entries.items():
        cells = [name, *([entry.title] if titles else []), "yes" if entry.guided else "no"]
        cells += [_scales(entry), entry.params_formula, f"[{1 + sources.index(entry.citation)}]"]
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print()
    below = Table.grid(padding=(0, 1, 0, 0))
    for number, source in enumerate(sources, 1):
        below.add_row(Text(f"[{number}]"), Text(source))
    console.print(below)
    console.print(Text(_LEGEND, "dim"))


def to_markdown(entries: Mapping[str, UpsamplerEntry]) -> str:
    """The upsamplers as one GitHub-flavoured Markdown table."""
    header = ["name", "title", "guide", "scales", "parameters", "citation"]
    rows = [
        [
            f"`{name}`",
            escape(entry.title),
            "yes" if entry.guided else "no",
            _scales(entry),
            escape(entry.params_formula),
            escape(entry.citation),
        ]
        for name, entry in entries.items()
    ]
    return f"{pipe_table(header, rows, words=header)}\n\n{_LEGEND}\n"


def to_json(entries: Mapping[str, UpsamplerEntry]) -> str:
    """The upsamplers as JSON; `scales` is null where any positive integer will do."""
    rows = [
        {
            "name": name,
            "title": entry.title,
            "guided": entry.guided,
            "scales": None if entry.scales is None else list(entry.scales),
            "params_formula": entry.params_formula,
            "options": dict(entry.options),
            "citation": entry.citation,
        }
        for name, entry in entries.items()
    ]
    return json.dumps({"upsamplers": rows}, indent=1, ensure_ascii=False) + "\n"


def _scales(entry: UpsamplerEntry) -> str:
    return "any" if entry.scales is None else ", ".join(map(str, entry.scales))


def _sources(entries: Mapping[str, UpsamplerEntry]) -> list[str]:
    return list(dict.fromkeys(entry.citation for entry in entries.values()))
