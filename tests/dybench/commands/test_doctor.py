"""What the doctor finds on machines that are made up, and on this one."""

from __future__ import annotations

import json

import pytest

from dybench.cli import main
from dybench.commands.doctor import examine, judge_resolution
from dybench.statistics import Interval

FACTS = {
    "cpu": "Synthetic CPU",
    "logical_cores": 4,
    "threads": 4,
    "memory_bytes": 16e9,
    "cpu_capability": "AVX2",
    "os": "Linux 6.1",
    "python": "3.12.1",
    "packages": {"torch": "2.13.0", "triton": "3.9", "nvidia-ml-py": "13"},
    "gpus": [],
}
GPU = {"name": "H200", "memory_bytes": 141e9, "capability": "9.0", "cuda": "12.8"}


def advice(load=0.0, environment=None, **changes):
    findings = examine(FACTS | changes, load, environment or {})
    return {finding.what: finding.advice for finding in findings if finding.advice}


def test_a_machine_without_fault() -> None:
    assert set(advice()) <= {"clock"}  # the governor is this machine's own


@pytest.mark.parametrize(
    ("changes", "what", "said"),
    [
        ({"threads": 8}, "threads", "--threads 4"),
        ({"load": 1.2}, "load", "close other programs"),
        ({"environment": {"LD_PRELOAD": "libjemalloc.so"}}, "allocator", "--allocator"),
        ({"os": "Darwin 24"}, "allocator", "trust ratios"),
        ({"gpus": [GPU], "packages": {"nvidia-ml-py": "13"}}, "triton", "install triton"),
        ({"gpus": [GPU], "packages": {"triton": "3"}}, "GPU clocks", "dybench[nvml]"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(changes, what, said) -> None:
    assert said in advice(**changes)[what]


def test_without_a_gpu_nothing_is_asked_for_it() -> None:
    assert not {"triton", "GPU clocks"} & set(advice(packages={}))


@pytest.mark.parametrize(
    ("low", "high", "seen", "noisy"), [(0.995, 1.01, "1.0%", False), (0.92, 1.02, "8.0%", True)]
)
def test_the_resolution_is_the_farther_end_of_the_interval(low, high, seen, noisy) -> None:
    finding = judge_resolution(Interval(1.0, low, high))
    assert finding.found.startswith(f"differences below {seen} cannot be seen here")
    assert bool(finding.advice) == noisy


def test_the_command_prints_json(capsys) -> None:
    assert main(["doctor", "--seconds", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["fingerprint"]
    names = [finding["what"] for finding in found["findings"]]
    assert names[-1] == "resolution"


def test_the_command_prints_a_verdict(capsys) -> None:
    assert main(["doctor", "--seconds", "0"]) == 0
    out = capsys.readouterr().out
    assert "processor" in out
    assert "resolution" not in out
    assert "fit to measure" in out or "to change first" in out
