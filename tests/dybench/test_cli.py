"""The command line from outside: exit codes, streams, and one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dybench import __version__
from dybench.cli import main
from dybench.errors import UsageError
from dybench.reports import newest_report
from dybench.result import Report, load

FAST = ["--channels", "8", "--size", "4x6", "--rounds", "2", "--budget", "0.02"]

PLUGIN = """
from torch import nn
class Broken(nn.Module):
    def __init__(self, in_channels, scale):
        super().__init__()
    def forward(self, x):
        raise RuntimeError("broken on purpose")
class NoModule:
    pass
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "binary.json").write_bytes(b"\x89PNG\x00\xff\xfe")
    (tmp_path / "damaged.json").write_text('{"schema": "dybench/1", "measurements": 3')
    (tmp_path / "newer.json").write_text('{"schema": "dybench/9", "measurements": []}')
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "syntax.py").write_text("def broken(:")


WRONG = {
    "no such command": (["rnu"], 2),
    "no such option": (["run", "--chanels", "3"], 2),
    "unknown upsampler": (["run", "-u", "dysampel"], 2),
    "zero channels": (["run", "--channels", "0"], 2),
    "negative scale": (["run", "--scale", "-2"], 2),
    "text for a size": (["run", "--size", "big"], 2),
    "half a size": (["run", "--size", "12x"], 2),
    "absurd channels": (["run", "--channels", "99999999999"], 2),
    "a size no machine holds": (["run", "-u", "nearest", "--size", "999999x999999"], 1),
    "fractional batch": (["run", "--batch", "1.5"], 2),
    "unknown dtype": (["run", "--dtype", "int3"], 2),
    "unknown layout": (["run", "--layout", "NHWC"], 2),
    "unknown mode": (["run", "--mode", "both"], 2),
    "unknown device": (["run", "--device", "tpu"], 2),
    "missing device": (["run", "--device", "cuda:77"], 2),
    "gap in a list": (["run", "--channels", "64,,128"], 2),
    "no such module": (["run", "-u", "no_such_package:Class"], 2),
    "no such class": (["run", "-u", "torch.nn:NoSuchClass"], 2),
    "no such file": (["run", "-u", "nowhere.py:Class"], 2),
    "no nn.Module": (["run", "-u", "plugin.py:NoModule"], 2),
    "file that does not parse": (["run", "-u", "syntax.py:Class"], 2),
    "plug-in that raises": (["run", *FAST, "-u", "plugin.py:Broken", "--json"], 1),
    "unknown reference": (["run", "--reference", "bilinaer"], 2),
    "report in no folder": (["run", *FAST, "-u", "nearest", "-o", "plugin.py/r.json"], 1),
    "report over a file": (["run", *FAST, "-u", "nearest", "-o", "empty.json"], 1),
    "table of nothing": (["table", "none.json"], 1),
    "table without reports": (["table"], 1),
    "table of an empty file": (["table", "empty.json"], 1),
    "table of a binary file": (["table", "binary.json"], 1),
    "table of a damaged report": (["table", "damaged.json"], 1),
    "table of a newer report": (["table", "newer.json"], 1),
    "table in no format": (["table", "empty.json", "--format", "docx"], 2),
    "plot of a damaged report": (["plot", "damaged.json"], 1),
    "plot without reports": (["plot"], 1),
    "plot of no kind": (["plot", "--kind", "pie"], 2),
    "unknown model": (["models", "segfromer"], 2),
}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("words", "code"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line_and_no_traceback(words, code, capsys) -> None:
    before = {p: p.read_bytes() for p in Path().iterdir() if p.is_file()}
    assert main(words) == code
    out, err = capsys.readouterr()
    complaint = [line for line in err.splitlines() if line.startswith("dybench: ")]
    assert len(complaint) == 1
    assert len(complaint[0]) > len("dybench: ")
    assert "Traceback" not in out + err
    if code == 2:
        assert out == ""
        assert err.splitlines() == complaint
    assert {p: p.read_bytes() for p in before} == before


def test_the_nearest_name_is_suggested(capsys) -> None:
    main(["run", "-u", "dysampel"])
    assert "did you mean 'dysample'?" in capsys.readouterr().err


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dybench {__version__}\n"


def test_run_prints_a_table_and_saves_a_report(capsys, monkeypatch) -> None:
    words = ["run", *FAST, "-u", "bilinear,dysample", "-u", "nearest"]
    monkeypatch.setattr(sys, "argv", ["dybench", *words])
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "dysample" in out
    assert "\x1b" not in out
    (path,) = Path("results").glob("run-*.json")
    assert err.splitlines()[-1] == f"report: {path}"
    report = load(path)
    assert report.complete
    assert report.command == " ".join(["dybench", *words])
    names = [row.case.upsampler for row in report.measurements]
    assert names == ["bilinear", "dysample", "nearest"]


def test_json_is_clean_and_is_the_report(capsys) -> None:
    assert main(["run", *FAST, "-u", "nearest", "--json", "-o", "deep/report.json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(Path("deep/report.json").read_text())
    assert printed["schema"] == "dybench/1"


def test_what_an_upsampler_prints_does_not_mix_with_the_report(capsys, tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "from torch import nn\n"
        "class Up(nn.Upsample):\n"
        "    def __init__(self, in_channels, scale):\n"
        "        super().__init__(scale_factor=scale)\n"
        "    def forward(self, x):\n"
        "        print('HELLO')\n"
        "        return super().forward(x)\n"
    )
    assert main(["run", *FAST, "-u", "chatty.py:Up", "--json", "-o", "r.json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["schema"] == "dybench/1"
    assert "HELLO" in err


@pytest.mark.parametrize(("used", "said"), [(5.0, False), (80.0, True)])
def test_a_busy_machine_is_said_before_it_is_measured(used, said, capsys, monkeypatch) -> None:
    monkeypatch.setattr("dybench.machine.psutil.cpu_percent", lambda _seconds: used)
    assert main(["run", *FAST, "-u", "nearest", "-o", "r.json"]) == 0
    assert ("other programs use 80% of this machine" in capsys.readouterr().err) == said


def test_no_command_at_all_is_the_help(capsys) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: dybench")
    assert len(out.splitlines()) > 10
    assert not err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dybench", "list"], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


def test_two_runs_never_share_a_report(capsys) -> None:
    for _ in range(2):
        assert main(["run", *FAST, "-u", "nearest"]) == 0
    assert len(list(Path("results").glob("run-*.json"))) == 2


def test_the_full_product_is_measured(capsys) -> None:
    words = ["run", "-u", "nearest,dysample", "--channels", "8,16", "--size", "4x4,6"]
    words += ["--layout", "contiguous,channels_last", "--mode", "inference,training", "--quick"]
    assert main([*words, "--rounds", "1", "--budget", "0.01", "-o", "r.json"]) == 0
    report = load(Path("r.json"))
    assert len(report.measurements) == 2 * 2 * 2 * 2 * 2
    assert len(report.by_cell()) == 2 * 2 * 2 * 2
    assert all(row.status == "ok" for row in report.measurements)


def test_skipped_rows_are_fine(capsys) -> None:
    assert main(["run", *FAST, "-u", "bilinear,deconv", "--scale", "3", "-o", "r.json"]) == 0
    assert [row.status for row in load(Path("r.json")).measurements] == ["ok", "skipped"]
    assert "must be one of 2" in capsys.readouterr().out


def start(*words: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-m", "dybench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


# An upsampler that announces maps eight wide and then keeps the run busy: the signal always
# arrives in the second cell, however fast the machine is.
WAITS = """
import sys, time
from torch import nn
class Waits(nn.Upsample):
    def __init__(self, in_channels, scale):
        super().__init__(scale_factor=scale)
    def forward(self, x):
        if x.shape[-1] == 8:
            print("in the second cell", file=sys.stderr, flush=True)
            time.sleep(60)
        return super().forward(x)
"""


def test_ctrl_c_keeps_what_is_done_and_exits_130(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(WAITS)
    words = ["--channels", "8", "--size", "4x6,8", "--rounds", "2", "--budget", "0.02"]
    process = start("run", "-u", "waits.py:Waits,bilinear", *words, "-o", "r.json")
    heard = []
    for line in process.stderr:
        heard.append(line)
        if "in the second cell" in line:
            process.send_signal(signal.SIGINT)
            break
    out, rest = process.communicate(timeout=60)
    err = "".join(heard) + rest
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; 2 of 4 rows are kept in r.json" in err
    assert "Traceback" not in err
    report = load(tmp_path / "r.json")
    assert not report.complete
    assert len(report.measurements) == 2


def test_a_reader_that_leaves_early_is_no_error() -> None:
    process = start("list", "--format", "json")
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == ""
    assert process.wait(timeout=60) == 0


def test_what_a_module_prints_when_it_is_imported_or_built_does_not_mix_either(capsys) -> None:
    Path("noisy.py").write_text(
        "from torch import nn\n"
        "print('LOADING')\n"
        "class Up(nn.Upsample):\n"
        "    def __init__(self, in_channels, scale):\n"
        "        print('BUILDING')\n"
        "        super().__init__(scale_factor=scale)\n"
    )
    for words in (["run", *FAST, "-o", "r.json"], ["models", "segformer-b1"]):
        assert main([*words, "-u", "noisy.py:Up", "--json"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)
        assert "BUILDING" in err


def test_a_run_that_cannot_begin_leaves_no_report(capsys, monkeypatch) -> None:
    assert main(["run", *FAST, "-u", "nearest", "-o", "results/good.json"]) == 0

    def missing(runtime: str) -> None:
        raise UsageError(f"{runtime} needs onnx")

    monkeypatch.setattr("dybench.runtimes.require", missing)
    assert main(["run", *FAST, "-u", "nearest", "--runtime", "compile"]) == 2
    assert [path.name for path in Path("results").iterdir()] == ["good.json"]


def test_a_run_in_its_first_case_is_not_the_newest_report(capsys) -> None:
    assert main(["run", *FAST, "-u", "nearest", "-o", "results/good.json"]) == 0
    Report(created="2999-01-01T00:00:00+00:00", command="").save_new(Path("results/under-way.json"))
    capsys.readouterr()
    assert main(["table"]) == 0
    assert "nearest" in capsys.readouterr().out


def test_a_baseline_is_not_the_newest_report(capsys) -> None:
    assert main(["run", *FAST, "-u", "nearest", "-o", "results/good.json"]) == 0
    baseline = Report(
        created="2999-01-01T00:00:00+00:00",
        command="dybench check --baseline results/b.json --update-baseline",
        measurements=load(Path("results/good.json")).measurements,
    )
    baseline.save_new(Path("results/b.json"))
    assert newest_report(Path("results")).name == "good.json"


def test_ctrl_c_is_said_and_exits_130(capsys, monkeypatch) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dybench.views.catalog.to_json", interrupt)
    assert main(["list", "--json"]) == 130
    assert capsys.readouterr().err == "dybench: interrupted\n"


def test_a_plug_in_that_ends_the_program_is_no_regression(capsys) -> None:
    Path("ends.py").write_text(
        "from torch import nn\n"
        "class Up(nn.Module):\n"
        "    def __init__(self, in_channels, scale):\n"
        "        raise SystemExit(3)\n"
    )
    assert main(["run", *FAST, "-u", "ends.py:Up", "-o", "r.json"]) == 1
    assert "an upsampler's code ended the program (3)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["doctor", "--seconds", "0"], ["models", "segformer-b1"], ["list"]]
)
def test_a_terminal_without_unicode_will_do(words) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "dybench", *words], env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "?" not in done.stdout
