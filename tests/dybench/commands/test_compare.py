"""`dybench compare` from the command line."""

import json

import pytest

from dybench.cli import main
from tests.dybench.factories import make_measurement, make_report


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [make_measurement("dysample", ratio=1.0)], [make_measurement("dysample", ratio=1.4)]
    for name, row in zip(("old", "new"), rows, strict=True):
        make_report(row).save_new(tmp_path / f"{name}.json")
    return tmp_path


@pytest.mark.parametrize("form", ["rich", "markdown", "json"])
def test_it_informs_and_exits_with_0_even_if_slower(reports, capsys, form):
    assert main(["compare", "old.json", "new.json", "--format", form]) == 0
    out, err = capsys.readouterr()
    assert "slower" in out.lower()
    assert err == ""
    if form == "json":
        assert json.loads(out)["rows"][0]["relative"]["verdict"] == "slower"


def test_the_threshold_is_the_users(reports, capsys):
    words = ["compare", "old.json", "new.json", "--slower-than", "50%", "--format", "json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["relative"]["verdict"] == "same"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["old.json"], 2, "Missing argument"),
        (["old.json", "none.json"], 1, "cannot read none.json"),
        (["old.json", "new.json", "--format", "xml"], 2, "xml"),
        (["old.json", "new.json", "--slower-than", "much"], 2, "--slower-than"),
        (["old.json", "other.json"], 1, "no case in common"),
    ],
)
def test_errors(reports, capsys, words, code, said):
    make_report([make_measurement("carafe")]).save_new(reports / "other.json")
    assert main(["compare", *words]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
