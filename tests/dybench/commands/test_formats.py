"""The format of a result: asked for, by the file's suffix, or for people."""

import json
from pathlib import Path

import pytest

from dybench.cli import main
from dybench.commands.compare import ComparisonFormat
from dybench.commands.formats import choose_format
from dybench.commands.table import TableFormat
from dybench.errors import UsageError
from tests.dybench.factories import make_measurement, make_report


@pytest.mark.parametrize(
    ("asked", "as_json", "output", "chosen"),
    [
        (None, False, None, "rich"),
        (None, True, None, "json"),
        ("json", True, None, "json"),
        ("csv", False, "a.md", "csv"),
        (None, True, "a.md", "json"),
        (None, False, "a.TEX", "latex"),
        (None, False, "a.html", "html"),
        (None, False, "a.txt", "rich"),
    ],
)
def test_what_is_asked_for_comes_before_the_suffix(asked, as_json, output, chosen):
    asked = asked and TableFormat(asked)
    path = output and Path(output)
    assert choose_format(TableFormat, asked, as_json=as_json, output=path).value == chosen


@pytest.mark.parametrize("name", ["a.tex", "a.docx", "a"])
def test_a_suffix_that_stands_for_none_of_the_formats_is_wrong_usage(name):
    with pytest.raises(UsageError, match=r"must end in one of \.txt, \.md, \.json"):
        choose_format(ComparisonFormat, None, as_json=False, output=Path(name))


def test_json_contradicts_other_formats():
    with pytest.raises(UsageError, match="--json and `--format` \\(='csv'\\)"):
        choose_format(TableFormat, TableFormat.CSV, as_json=True)


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["models", "segformer-b1", "-u", "nearest"],
        ["table", "r.json"],
        ["compare", "r.json", "r.json"],
    ],
)
def test_every_command_that_prints_a_table_prints_json(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    make_report([make_measurement("nearest", ratio=0.5)]).save_new(tmp_path / "r.json")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
