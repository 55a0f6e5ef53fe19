"""`dybench models`: what it prints in each format, and what it refuses."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
import torch
import typer

from dybench.commands.models import ModelsFormat, models
from dybench.errors import DybenchError, UsageError

NAMES = ["deconv,dysample"]
HOST = """
[mine]
title = "50 % of a_network"
channels = 8
stages = [{size = [4, 6]}]
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HOST)
    return path


def printed(capsys, *arguments, **options):
    models(list(arguments) or None, **{"upsampler": NAMES, **options})
    return capsys.readouterr().out


def test_json_has_plain_numbers(capsys):
    text = printed(capsys, "segformer-b1", as_format=ModelsFormat.JSON)
    deconv, dysample = json.loads(text)["rows"]
    assert (deconv["model"], deconv["upsampler"], deconv["modules"]) == (
        "segformer-b1",
        "deconv",
        6,
    )
    assert (deconv["added_params"], deconv["added_flops"]) == (3_540_480, 8_606_711_808)
    assert (deconv["published_params"], deconv["published_flops"]) == (3_500_000, 34_400_000_000)
    assert "printed 4× too high: counted per output pixel; true value 8.61 G" in deconv["note"]
    assert (dysample["added_params"], dysample["added_params_weights"]) == (49_344, 49_152)
    assert (dysample["published_params"], dysample["published_flops"]) == (49_200, None)
    assert dysample["note"] == "matches (weights only)"
    assert dysample["added_latency_s"] is None


def test_csv_has_the_same_rows(capsys):
    text = printed(capsys, "panoptic-fpn-r50", as_format=ModelsFormat.CSV)
    deconv, dysample = csv.DictReader(io.StringIO(text))
    assert deconv["published_params"] == ""
    assert (dysample["added_params_weights"], dysample["published_params"]) == ("24576", "24600")
    assert dysample["added_memory_kind"] == "cuda predicted"


def test_the_terminal_table_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(capsys, "segformer-b1", upsampler=None)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert re.search(r"^indexnet \(g\) .* 12\.60M 30\.65G ✓$", text, re.MULTILINE)
    assert re.search(r"^deconv .* 34\.4G ≠$", text, re.MULTILINE)
    assert "printed 4× too high" in text
    assert "6 stages, 256 channels, 14,592 low-resolution pixels" in text
    assert "✓ the count agrees" in text


@pytest.mark.parametrize(
    ("columns", "lost"),
    [(100, ""), (70, "weights only"), (60, "weights only, published")],
)
def test_a_narrow_terminal_gives_columns_up_and_cuts_no_figure(capsys, monkeypatch, columns, lost):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = printed(capsys, "segformer-b1", upsampler=None)
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    assert (f"No room for: {lost}.\n" in text) is bool(lost)
    header = text.partition("nearest")[0]
    assert [name for name in ("weights only", "published") if name not in header] == [
        name for name in ("weights only", "published") if name in lost
    ]


def test_markdown_has_one_table_a_network(capsys):
    text = printed(capsys, "upernet-r50", "segformer-b1", as_format=ModelsFormat.MARKDOWN)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert len(lines) == 2 * 4
    assert any("printed 4× too high" in line for line in lines)


def test_latex_escapes_what_the_user_wrote(capsys, mine):
    text = printed(capsys, str(mine), as_format=ModelsFormat.LATEX)
    assert r"50 \% of a\_network" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\bottomrule") == 1
    assert "✓" not in text
    assert "≠" not in text


def test_no_words_are_all_built_in_networks(capsys):
    text = printed(capsys, upsampler=["nearest"], as_format=ModelsFormat.JSON)
    assert [row["model"] for row in json.loads(text)["rows"]] == [
        "segformer-b1",
        "faster-rcnn-r50",
        "panoptic-fpn-r50",
        "upernet-r50",
        "maskformer-swin-b",
        "mask2former-swin-b",
    ]


@pytest.mark.parametrize(
    ("words", "offered", "expected"),
    [
        (["{file}"], False, ["mine"]),
        ([], True, ["mine"]),
        (["mine"], True, ["mine"]),
        (["upernet-r50"], True, ["upernet-r50"]),
        (["upernet-r50", "{file}"], False, ["upernet-r50", "mine"]),
    ],
)
def test_files_of_networks(capsys, mine, words, offered, expected):
    text = printed(
        capsys,
        *(word.format(file=mine) for word in words),
        file=[mine] if offered else None,
        upsampler=["nearest"],
        as_format=ModelsFormat.JSON,
    )
    assert [row["model"] for row in json.loads(text)["rows"]] == expected


def test_nothing_is_published_for_a_network_of_ones_own(capsys, mine):
    (row,) = json.loads(
        printed(capsys, str(mine), upsampler=["dysample"], as_format=ModelsFormat.JSON)
    )["rows"]
    assert (row["published"], row["published_params"], row["note"]) == ([], None, "")
    assert row["added_params"] == 32 * 9


def test_measure_adds_latency_and_what_machine_it_was(capsys, mine):
    text = printed(
        capsys,
        str(mine),
        measure=True,
        device="cpu",
        budget=0.02,
        as_format=ModelsFormat.JSON,
    )
    found = json.loads(text)
    assert [row["added_memory_kind"] for row in found["rows"]] == ["cpu allocator"] * 2
    assert all(row["added_latency_s"] > 0 for row in found["rows"])
    assert all(row["relative_latency"]["to"] == "bilinear" for row in found["rows"])
    assert found["settings"]["threads"] == torch.get_num_threads()
    assert found["machine"]["fingerprint"]
    assert found["interrupted"] is False


def test_the_measured_table_shows_latency(capsys, mine, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys, str(mine), measure=True, device="cpu", budget=0.02)
    assert "latency" in text
    assert re.search(r"latency +×", text)


def test_a_file_is_written_in_the_format_of_its_name_and_never_overwritten(capsys, mine, tmp_path):
    output = tmp_path / "added.csv"
    assert printed(capsys, str(mine), output=output) == ""
    before = output.read_text()
    assert before.startswith("model,upsampler,")
    with pytest.raises(DybenchError, match="exists already; --force replaces it"):
        printed(capsys, str(mine), output=output)
    assert output.read_text() == before
    printed(capsys, str(mine), output=output, force=True, upsampler=["nearest"])
    assert "nearest" in output.read_text()


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["segformer"], {}, "unknown model 'segformer'.*did you mean 'segformer-b1'"),
        (["missing.toml"], {}, "cannot read missing.toml"),
        (["upernet-r50"], {"upsampler": ["dysampel"]}, "did you mean 'dysample'"),
        (["upernet-r50"], {"upsampler": ["dysample,"]}, "must be a comma list without gaps"),
        (["upernet-r50"], {"measure": True, "device": "tpu"}, "`--device`"),
        (["upernet-r50"], {"output": "x.docx"}, "must end in one of"),
    ],
)
def test_wrong_usage_is_one_line(words, options, message, tmp_path):
    if "output" in options:
        options = {"output": tmp_path / options["output"]}
    with pytest.raises(UsageError, match=message) as caught:
        models(words, **options)
    assert "\n" not in str(caught.value)


def test_two_files_with_the_same_name_are_refused(mine, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(HOST)
    with pytest.raises(UsageError, match="'mine' is in another file already"):
        models([str(mine), str(other)])


def test_nothing_that_suits_is_exit_code_1(capsys, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HOST.replace("channels = 8", "channels = 7"))
    with pytest.raises(typer.Exit) as caught:
        printed(capsys, str(path), upsampler=["dysample"])
    assert caught.value.exit_code == 1
    assert "must be divisible" in capsys.readouterr().out


def test_importing_the_command_imports_no_torch():
    program = "import sys, dybench.commands.models; print({*sys.modules} & {'torch', 'rich.table'})"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_a_figure_of_another_form_is_not_said_to_agree_with_the_count(capsys):
    text = printed(capsys, "faster-rcnn-r50", upsampler=["a2u", "carafe"])
    assert re.search(r"^a2u \(g\) .* 0\.1M ≈$", text, re.MULTILINE)
    assert re.search(r"^carafe .* 0\.3M ✓$", text, re.MULTILINE)
    assert "≈ what was printed is of another form of it, whose count agrees" in text
