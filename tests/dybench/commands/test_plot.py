"""`dybench plot` as a command: where the file goes, what is printed, what is refused."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from dybench.commands.plot import plot
from dybench.errors import ReportError, UsageError
from dybench.reports import newest_report
from tests.dybench.factories import make_cell, make_measurement, make_report

app = typer.Typer()
app.command()(plot)


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "results" / "run.json"
    make_report(make_cell(["bilinear", "carafe", "dysample", "nearest"])).save_new(path)
    return path


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(error, *words):
    result = run(*words)
    assert isinstance(result.exception, error), result.output
    line = str(result.exception)
    assert "\n" not in line
    return line


def test_the_newest_report_is_drawn_beside_itself(report):
    result = run()
    assert result.exit_code == 0
    assert result.stdout == "results/run-complexity.png\n"
    assert report.with_name("run-complexity.png").read_bytes().startswith(b"\x89PNG")
    assert "note: left out, having no published mIoU: nearest" in result.stderr


@pytest.mark.parametrize(
    ("name", "start"), [("f.png", b"\x89PNG"), ("f.svg", b"<?xml"), ("sub/f.PDF", b"%PDF-")]
)
def test_the_suffix_chooses_the_format(report, tmp_path, name, start):
    result = run(report, "--kind", "bars", "-o", tmp_path / name)
    assert result.stdout.strip() == str(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_an_existing_file_is_kept_unless_forced(report, tmp_path):
    target = tmp_path / "figure.svg"
    target.write_text("mine")
    line = refused(ReportError, report, "-o", target)
    assert line == f"{target} exists already: name another with -o, or add --force"
    assert target.read_text() == "mine"
    assert run(report, "-o", target, "--force").exit_code == 0
    assert target.read_text().startswith("<?xml")


def test_axes_are_chosen(report, tmp_path):
    target = tmp_path / "f.svg"
    words = ("--x", "params", "--y", "memory", "--size", "latency", "-o", target)
    assert run(report, *words).exit_code == 0
    text = target.read_text()
    assert "parameters (k)" in text
    assert "peak memory (MB)" in text
    assert "area: latency (ms)" in text


def test_several_reports_make_one_figure(report, tmp_path):
    other = tmp_path / "other.json"
    make_report(created="2026-05-05T00:00:00+00:00").save_new(other)
    target = tmp_path / "f.svg"
    assert run(report, other, "-o", target).exit_code == 0
    assert "report [B]" in target.read_text()


def test_upsamplers_are_chosen(report, tmp_path):
    target = tmp_path / "f.svg"
    words = ("--kind", "bars", "--cell", "upsampler=carafe,dysample", "-o", target)
    assert run(report, *words).exit_code == 0
    text = target.read_text()
    assert "CARAFE" in text
    assert "DySample" in text
    assert "bilinear" not in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--kind", "bar"], "`--kind` (='bar') is no kind of figure: did you mean 'bars'?"),
        (["-o", "f.gif"], "`--output` (='f.gif') must end in .png, .svg or .pdf"),
        (["-o", "figure"], "`--output` (='figure') must end in .png, .svg or .pdf"),
        (["--kind", "bars", "--y", "flops"], "not for `--kind bars`"),
        (["--kind", "scaling", "--size", "flops"], "for `--kind complexity` only"),
        (["--y", "speed"], "`--y` (='speed') is no metric"),
        (["--cell", "depth=3"], "`--cell` (='depth=3') must be field=value"),
        (
            ["--cell", "upsampler=fade"],
            "names nothing that was measured: there is bilinear, carafe",
        ),
        (["--cell", "channels=7"], "`--cell` (='channels=7') matches no cell"),
    ],
)
def test_wrong_usage_is_one_line(report, words, line):
    assert line in refused(UsageError, report, *words)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"\x00\xff\x89", "is not a dybench report"),
        (b'{"schema": "dybench/9"}', "reads 'dybench/1' only"),
        (b'{"schema": "dybench/1", "created": 3}', "damaged report"),
    ],
)
def test_a_damaged_report_is_one_line(tmp_path, content, line):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    assert line in refused(ReportError, path)


def test_a_report_without_latency_is_one_line(tmp_path):
    path = tmp_path / "r.json"
    make_report([make_measurement("carafe", latency=None)]).save_new(path)
    assert "nothing to draw" in refused(ReportError, path)


def test_an_unwritable_place_is_one_line(report, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert "cannot write" in refused(ReportError, report, "-o", tmp_path / "file" / "f.png")
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in refused(ReportError, report, "-o", tmp_path / "folder.png", "--force")


def test_no_report_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(ReportError) == "no report in results/: run `dybench run` first"


def test_the_newest_is_by_date_and_other_json_is_passed_over(tmp_path):
    make_report(created="2026-02-01T00:00:00+00:00").save_new(tmp_path / "z.json")
    make_report(created="2026-02-01T00:30:00-05:00").save_new(tmp_path / "a.json")
    others = {
        "baseline.json": {"schema": "dybench-baseline/1", "created": "2027-01-01T00:00:00Z"},
        "newer.json": {"schema": "dybench/2", "created": "2027-01-01T00:00:00Z"},
        "list.json": [],
        "undated.json": {"schema": "dybench/1", "created": "soon", "measurements": []},
    }
    for name, content in others.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "binary.json").write_bytes(b"\xff\x00")
    assert newest_report(tmp_path).name == "a.json"


def heavy_after(statement):
    code = f"{statement}; import sys; print(*sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"torch", "matplotlib", "pandas", "numpy", "msgspec"} & set(out.stdout.split())


def test_importing_the_command_imports_nothing_heavy():
    assert heavy_after("import dybench.commands.plot") == set()
    assert "numpy" in heavy_after("import dybench.views.figure.labels")


def test_drawing_needs_no_torch():
    assert "torch" not in heavy_after("import dybench.views.figure.complexity")
