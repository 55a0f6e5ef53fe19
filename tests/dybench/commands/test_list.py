"""`dybench list` shows the catalogue, all of it, in each format."""

from __future__ import annotations

import json

import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from dybench.commands.list import list_upsamplers
from dysample import UPSAMPLERS
from tests.dybench.views.test_markdown import page_of


def output(*words):
    app = typer.Typer()
    app.command()(list_upsamplers)
    result = CliRunner().invoke(app, words)
    assert result.exception is None
    return result.stdout


def test_json_has_every_entry():
    rows = json.loads(output("--format", "json"))["upsamplers"]
    assert [row["name"] for row in rows] == list(UPSAMPLERS)
    for row in rows:
        entry = UPSAMPLERS[row["name"]]
        assert row["title"] == entry.title
        assert row["guided"] is entry.guided
        assert row["scales"] == (None if entry.scales is None else list(entry.scales))
        assert row["params_formula"] == entry.params_formula
        assert row["options"] == dict(entry.options)
        assert row["citation"] == entry.citation


def test_markdown_has_every_entry():
    (table,) = page_of(output("--format", "markdown")).tables
    assert table[0] == ["name", "title", "guide", "scales", "parameters", "citation"]
    assert [row[0] for row in table[1:]] == list(UPSAMPLERS)
    by_name = {row[0]: row for row in table[1:]}
    assert by_name["deconv"][2:5] == ["no", "2", "9C²+C"]
    assert by_name["dysample"][5] == UPSAMPLERS["dysample"].citation


def test_the_terminal_list_has_every_entry_and_its_source(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    text = output()
    lines = text.splitlines()
    for name, entry in UPSAMPLERS.items():
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert entry.params_formula in line
        number = line.split()[-1]
        (source,) = [at for at, line in enumerate(lines) if line.startswith(f"{number} ")]
        assert lines[source].removeprefix(number).strip() in entry.citation
    assert "\x1b" not in text


def test_a_narrow_list_keeps_each_name_on_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = output().splitlines()
    assert max(map(cell_len, lines)) <= 60
    for name in UPSAMPLERS:
        assert sum(line.startswith(f"{name} ") for line in lines) == 1
