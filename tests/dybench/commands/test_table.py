"""`dybench table`: which report, which format, to where, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import dybench
from dybench.commands.table import table
from dybench.errors import ReportError, UsageError
from dybench.views import latex, markdown
from tests.dybench.factories import make_cell, make_report
from tests.dybench.views.examples import example


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def report(here):
    path = here / "report.json"
    example().save_new(path)
    return path


def call(*words):
    app = typer.Typer()
    app.command()(table)
    return CliRunner().invoke(app, [str(word) for word in words])


def output(*words):
    result = call(*words)
    assert result.exception is None
    return result.stdout


def test_the_terminal_table_is_the_default_and_plain_when_piped(report):
    text = output(report)
    assert "dysample-s+ ★" in text
    assert "\x1b" not in text
    assert "No room for" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_pipe_honours_columns(report, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, output(report).splitlines())) <= 60


def test_without_a_report_the_newest_is_shown(here):
    for day, name in (("01", "bilinear"), ("03", "carafe"), ("02", "nearest")):
        created = f"2026-03-{day}T12:00:00+00:00"
        make_report(make_cell([name]), created=created).save_new(here / f"results/{name}.json")
    text = output()
    assert "carafe" in text
    assert "nearest" not in text


def test_each_format_is_what_its_view_renders(report):
    assert output(report, "--format", "markdown") == markdown.render(example())
    assert output(report, "--format", "latex") == latex.render(example())
    assert output(report, "--format", "csv").startswith("upsampler,options,channels,")
    assert output(report, "--format", "html").startswith("<!DOCTYPE html>")
    assert json.loads(output(report, "--format", "json")) == json.loads(report.read_text())


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("t.md", "**256 ×"),
        ("t.tex", "% needs"),
        ("t.csv", "upsampler,"),
        ("t.html", "<!DOCTYPE"),
        ("t.json", "{"),
        ("t.txt", "Synthetic CPU"),
    ],
)
def test_the_suffix_chooses_the_format(report, here, name, start):
    result = call(report, "-o", name)
    assert result.stdout == ""
    assert result.stderr == f"wrote {name}\n"
    assert (here / name).read_text(encoding="utf-8").startswith(start)


def test_a_format_asked_for_beats_the_suffix(report, here):
    call(report, "-o", "t.txt", "--format", "csv")
    assert (here / "t.txt").read_text(encoding="utf-8").startswith("upsampler,")


def test_a_file_is_replaced_only_by_force(report, here):
    (here / "t.md").write_text("mine")
    refused = call(report, "-o", "t.md").exception
    assert isinstance(refused, ReportError)
    assert str(refused) == "t.md exists already; --force replaces it"
    assert (here / "t.md").read_text() == "mine"
    assert call(report, "-o", "t.md", "--force").exception is None
    assert (here / "t.md").read_text(encoding="utf-8").startswith("**256")


def test_an_unknown_suffix_is_wrong_usage(report, here):
    error = call(report, "-o", "t.docx").exception
    assert isinstance(error, UsageError)
    assert str(error) == (
        "`-o` (='t.docx') must end in one of .txt, .md, .tex, .csv, .html, .json, "
        "or --format say the format"
    )
    assert not (here / "t.docx").exists()


def test_an_unknown_format_is_wrong_usage(report):
    result = call(report, "--format", "xml")
    assert result.exit_code == 2
    assert "xml" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read"),
        (b"", "is empty"),
        (b"\x80\x81\xff", "is not a dybench report"),
        (b'{"schema": "dybench/9"}', "has schema 'dybench/9'"),
        (b'{"schema": "dybench/1"}', "is a damaged report"),
    ],
)
def test_a_report_that_is_none_is_one_line(here, content, said):
    path = here / "odd.json"
    if content is not None:
        path.write_bytes(content)
    error = call(path).exception
    assert isinstance(error, ReportError)
    assert said in str(error)
    assert "\n" not in str(error)


def test_no_report_at_all_says_what_to_do(here):
    error = call().exception
    assert isinstance(error, ReportError)
    assert "dybench run" in str(error)


def test_a_place_that_cannot_be_written(report, here):
    (here / "file").write_text("")
    error = call(report, "-o", "file/t.md").exception
    assert isinstance(error, ReportError)
    assert str(error).startswith("cannot write file/t.md")


def subprocess_output(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(dybench.__file__).parents[1]), **environment},
    )
    return done.stdout


LOADED = "import sys; print({'torch', 'pandas', 'matplotlib', 'rich.table'} & set(sys.modules))"


def test_the_command_modules_cost_no_heavy_import():
    code = f"import dybench.commands.table, dybench.commands.list; {LOADED}"
    assert subprocess_output(code).strip() == b"set()"


def test_the_test_of_imports_can_fail():
    assert b"rich.table" in subprocess_output(f"import dybench.views.terminal; {LOADED}")


def test_an_output_without_unicode_gets_plainer_signs(report):
    code = "from pathlib import Path; from dybench.commands.table import table; "
    code += f"table(Path({str(report)!r}))"
    text = subprocess_output(code, PYTHONIOENCODING="ascii").decode("ascii")
    assert "dysample-s+ #" in text
    assert "256 x 120 x 120, x2" in text
    assert "?" not in text
