"""What the README shows is what the commands print."""

import re
from pathlib import Path

from dybench.cli import main
from dybench.speed import load
from dybench.study import load as load_study
from dybench.views.speed import render_table
from dybench.views.study import render as render_study

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_what_the_command_prints(capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = re.search(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert shown
    assert main(["table", shown[1], "--format", "markdown"]) == 0
    assert shown[2].strip() == capsys.readouterr().out.strip()


def test_the_speeds_are_those_of_the_report_it_names() -> None:
    shown = re.search(r"<!-- speed: (\S+) -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert shown
    assert shown[2].strip() == render_table(load(ROOT / shown[1])).strip()


def test_the_study_is_that_of_the_report_it_names() -> None:
    shown = re.search(r"<!-- study: (\S+) -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert shown
    assert shown[2].strip() == render_study(load_study(ROOT / shown[1])).strip()


def test_every_picture_and_file_it_names_is_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    named = re.findall(r"`((?:dybench|dysample|results|tests)/[\w./-]+\.\w+)`", README)
    assert pictures
    assert named
    missing = [name for name in (*pictures, *named) if not (ROOT / name).exists()]
    assert missing == []
