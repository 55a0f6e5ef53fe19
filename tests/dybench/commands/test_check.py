"""`dybench check` on temporary repositories: what it catches, says and leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dybench
from dybench.cli import main
from dybench.result import load
from tests.dybench.repositories import CONFIG, commit, git, make_repository, planted

EXTRA = {
    "allocation": ("y = torch.empty(64, 64).copy_(x[0, 0, 0, 0]); x = x + y[0, 0] * 0", None),
    "convolution": ("x = self.mix(x)", "flops"),
    "unused convolution": ("self.mix(x)", None),
    "product": ("x = x * torch.ones_like(x)", "flops"),
}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    folder = make_repository(tmp_path / "repository")
    monkeypatch.chdir(folder)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def plant(folder, statement):
    """Change the plug-in, and forget that it was imported."""
    (folder / "up.py").write_text(planted(statement), encoding="utf-8")
    forget()


def forget():
    for name in [name for name in sys.modules if name.startswith("_dybench_plugin_up_")]:
        del sys.modules[name]


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def baseline(*words):
    return main(["check", "--baseline", "baseline.json", "--only", "exact", *words])


def test_nothing_to_compare_with_fails(repository, capsys):
    assert main(["check"]) == 1
    assert "nothing to compare with" in capsys.readouterr().err
    assert main(["check", "--baseline", "none.json"]) == 1
    assert "cannot read none.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "soon"], "`--budget` (='soon')"),
        (["--slower-than", "-3%"], "`--slower-than` (='-3%')"),
        (["--update-baseline"], "needs --baseline FILE"),
        (["--only", "memory"], "'memory'"),
        (["--export", "grafana", "x.json"], "'grafana'"),
        (["--against", "main", "--channels", "0"], "at least 1"),
    ],
)
def test_wrong_usage_is_one_line(repository, capsys, words, said):
    assert main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_accepted_change_is_shown_recorded_and_quiet_afterwards(repository, capsys):
    assert baseline("--update-baseline") == 0
    assert load(Path("baseline.json")).measurements[0].output_probe
    assert baseline() == 0
    assert lines(capsys)[-1] == "1 case: nothing got worse"
    plant(repository, "x = self.mix(x)")
    assert baseline() == 3
    capsys.readouterr()
    assert baseline("--update-baseline") == 0
    shown = capsys.readouterr().out
    assert "FLOPs 9,216 → 18,432 (+100 %)" in shown
    assert "ACCEPTED  up.py:Up, 8×12×12 ×2 float32 cpu: output off by" in shown
    assert baseline() == 0


@pytest.mark.parametrize("kind", EXTRA)
def test_what_is_planted_is_caught_and_named(repository, capsys, kind):
    statement, metric = EXTRA[kind]
    assert baseline("--update-baseline") == 0
    plant(repository, statement)
    capsys.readouterr()
    assert baseline() == 3
    found = [line for line in lines(capsys) if line.startswith("REGRESSION")]
    assert found
    assert all("up.py:Up, 8×12×12 ×2 float32 cpu: " in line for line in found)
    assert any("runs" in line and "→" in line for line in found)
    if metric == "flops":
        assert any("FLOPs" in line for line in found)


def test_json_is_clean(repository, capsys):
    assert baseline("--update-baseline") == 0
    plant(repository, "x = self.mix(x)")
    capsys.readouterr()
    assert baseline("--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["cases"]) == (3, 1)
    assert {f["metric"] for f in document["findings"]} >= {"flops", "operator_counts", "output"}


def test_a_larger_temporary_is_caught_by_peak_memory(repository, capsys):
    plant(repository, "big = x.repeat(1, 1, 2, 2); x = big[..., :12, :12]")
    assert baseline("--update-baseline") == 0
    plant(repository, "big = x.repeat(1, 1, 9, 9); x = big[..., :12, :12]")
    capsys.readouterr()
    assert baseline() == 3
    (found,) = [
        line for line in lines(capsys) if "peak memory in bytes " in line and "CUDA" not in line
    ]
    assert found.startswith("REGRESSION")


def test_an_output_that_changed_is_caught(repository, capsys):
    assert baseline("--update-baseline") == 0
    plant(repository, "x = x + 0.001")
    capsys.readouterr()
    assert baseline() == 3
    assert any(": output off by " in line for line in lines(capsys))


def test_a_plug_in_that_stopped_working_is_caught(repository, capsys):
    assert baseline("--update-baseline") == 0
    plant(repository, "raise RuntimeError('no')")
    capsys.readouterr()
    assert baseline() == 3
    assert "status, ok → failed" in capsys.readouterr().out


def test_github_actions_get_annotations_and_a_summary(repository, capsys, monkeypatch):
    assert baseline("--update-baseline") == 0
    plant(repository, "x = self.mix(x)")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n", encoding="utf-8")
    capsys.readouterr()
    assert baseline() == 3
    said = [line for line in lines(capsys) if line.startswith("::")]
    assert any(
        line.startswith("::error title=dybench%3A up.py%3AUp FLOPs::REGRESSION") for line in said
    )
    summary = Path("summary.md").read_text(encoding="utf-8")
    assert summary.startswith("before\n### dybench check: 1 case: ")
    assert "- REGRESSION" in summary


def test_an_export_has_what_was_timed(repository):
    assert main(["check", "--baseline", "b.json", "--update-baseline", "--only", "exact"]) == 0
    words = ["--budget", "1s", "--export", "github", "out.json"]
    assert main(["check", "--baseline", "b.json", *words]) == 0
    document = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert document[0]["name"] == "up.py:Up, 8×12×12 ×2 float32 cpu: latency"
    assert document[0]["value"] > 0


def test_another_revision_is_measured_from_its_own_tree(repository, capsys):
    """The unrelated repository: real worktrees, real processes, four lines of configuration."""
    base = git(repository, "rev-parse", "HEAD")
    commit(repository, {"up.py": planted("x = self.mix(x)")}, "heavier")
    assert main(["check", "--against", base, "--only", "exact"]) == 3
    out = capsys.readouterr().out
    assert "REGRESSION  up.py:Up, 8×12×12 ×2 float32 cpu: FLOPs 9,216 → 18,432 (+100 %)" in out
    assert "aten::conv2d runs 1 → 2 (+100 %)" in out
    assert git(repository, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_worktree_and_no_process(repository, sent):
    command = [sys.executable, "-m", "dybench", "check", "--against", "HEAD"]
    environment = {**os.environ, "PYTHONPATH": str(Path(dybench.__file__).parent.parent)}
    heard = []
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stderr:
            heard.append(line)
            if "processes 1" in line:  # three workers are up
                break
        workers = children(process.pid)
        process.send_signal(sent)
        process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert git(repository, "worktree", "list").count("\n") == 0
    assert len(workers) >= 3
    assert not [pid for pid in workers if alive(pid)]
    assert "1 case, 6 processes × 20 rounds" in "".join(heard)
    assert "of 10 % slowdowns" in "".join(heard)


def children(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


def alive(pid):
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def test_the_configuration_shown_is_four_lines():
    assert len(CONFIG.strip().splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--export", "github", "baseline.json"], 2, "would replace the baseline"),
        (["--export", "github", "there.json"], 1, "exists already; --force replaces it"),
        (["--export", "github", "new.json", "--update-baseline"], 2, "--export goes with a check"),
    ],
)
def test_an_export_replaces_nothing_unasked(repository, capsys, words, code, said):
    assert baseline("--update-baseline") == 0
    Path("there.json").write_text("precious", encoding="utf-8")
    before = {path: path.read_bytes() for path in Path().glob("*.json")}
    capsys.readouterr()
    assert baseline(*words) == code
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().glob("*.json")} == before
    assert baseline("--export", "github", "there.json", "--force") == 0
    assert json.loads(Path("there.json").read_text(encoding="utf-8")) is not None


def test_an_export_that_cannot_be_written_hides_no_regression(repository, capsys):
    assert baseline("--update-baseline") == 0
    plant(repository, "x = self.mix(x)")
    capsys.readouterr()
    assert baseline("--export", "github", "up.py/x.json") == 3
    out, err = capsys.readouterr()
    assert "REGRESSION" in out
    assert "cannot write up.py/x.json" in err
