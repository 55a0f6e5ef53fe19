"""The runtimes: what they compute, what they cannot do, and what is said without them."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch

from dybench import runner, runtimes
from dybench.case import Case
from dybench.conditions import Settings
from dybench.errors import UsageError
from dybench.measure.latency import Pace
from dybench.rows import measure_static
from dybench.sources import resolve
from dybench.subject import build, make_inputs, prepare

SETTINGS = Settings(pace=Pace(budget_s=0.02, block_s=0.001, rounds=4, min_rounds=2, warmup_s=0.002))


def case(upsampler="dysample", **fields):
    fields = {"channels": 8, "height": 4, "width": 5, "scale": 2} | fields
    return Case(upsampler=upsampler, **fields)


def subject(this):
    source, device = resolve(this.upsampler), torch.device(this.device)
    module = build(this, source, device=device, seed=0)
    return prepare(this, module, make_inputs(this, guided=source.guided, device=device, seed=0))


@pytest.mark.parametrize("upsampler", ["dysample", "fade-lite"])
def test_onnxruntime_computes_what_torch_does(upsampler):
    options = {"up_kernel": 1} if upsampler == "fade-lite" else {}
    expected = subject(case(upsampler, options=options)).call()
    found = subject(case(upsampler, options=options, runtime="onnxruntime")).call()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_a_run_measures_onnxruntime_and_says_what_it_cannot_count():
    cases = [case("nearest", runtime=name) for name in ("eager", "onnxruntime")]
    eager, onnx = runner.run(cases, SETTINGS).measurements
    assert (eager.status, onnx.status) == ("ok", "ok")
    assert onnx.latency_s.median > 0
    assert onnx.params == eager.params
    assert onnx.flops == eager.flops
    assert eager.peak_memory_bytes > 0
    assert onnx.peak_memory_bytes is None
    assert any("onnxruntime allocates for itself" in note for note in onnx.notes)


def test_runtimes_take_turns_in_the_same_rounds_against_the_eager_reference(monkeypatch):
    held = []
    contest = runner.latency.contest

    def watched(contestants, *args, **options):
        held.append(([c.name for c in contestants], options["reference"]))
        return contest(contestants, *args, **options)

    monkeypatch.setattr(runner.latency, "contest", watched)
    cases = [
        case(name, runtime=runtime)
        for runtime in ("onnxruntime", "eager")
        for name in ("nearest", "bilinear")
    ]
    rows = runner.run(cases, SETTINGS).measurements
    names = ["nearest (onnxruntime)", "bilinear (onnxruntime)", "nearest", "bilinear"]
    assert held == [(names, "bilinear")]
    assert [row.case for row in rows] == cases
    assert {row.relative_latency.to for row in rows} == {"bilinear"}
    assert rows[3].relative_latency.low == rows[3].relative_latency.high == 1.0
    assert rows[1].relative_latency.low < rows[1].relative_latency.high


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own parts
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiler_starts_afresh_with_each_cell_that_is_compiled(monkeypatch):
    forgotten = []
    reset = torch.compiler.reset
    monkeypatch.setattr("torch.compiler.reset", lambda: (forgotten.append(1), reset()))
    cases = [case("nearest", runtime="compile", width=width) for width in (5, 7)]
    rows = runner.run([*cases, case("nearest", width=9)], SETTINGS).measurements
    assert [row.status for row in rows] == ["ok"] * 3
    assert len(forgotten) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mode": "training"}, "onnxruntime runs inference only"),
        ({"layout": "channels_last"}, "ONNX has one layout, and it is not channels_last"),
        ({"dtype": "bfloat16"}, "inputs to onnxruntime come from numpy, which has no bfloat16"),
        ({"device": "cuda:0"}, "onnxruntime is measured on the CPU only"),
    ],
)
def test_a_case_that_onnxruntime_cannot_do_is_skipped(fields, reason):
    this = case(runtime="onnxruntime", **fields)
    row, found = measure_static(this, resolve("dysample"), SETTINGS, {})
    assert (row.status, row.reason, found) == ("skipped", reason, None)


def test_without_a_c_compiler_compile_is_skipped(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    row, found = measure_static(case(runtime="compile"), resolve("dysample"), SETTINGS, {})
    assert (row.status, found) == ("skipped", None)
    assert (
        row.reason == "torch.compile needs a C++ compiler on the CPU, and no-such-compiler is none"
    )


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_runtime_that_is_not_installed_is_wrong_usage_before_anything_is_measured(
    monkeypatch, missing
):
    monkeypatch.setitem(sys.modules, missing, None)
    message = rf"the onnxruntime runtime needs {missing}, .* pip install 'dybench\[onnx\]'"
    saved = []
    with pytest.raises(UsageError, match=message):
        runner.run([case("nearest", runtime="onnxruntime")], SETTINGS, save=saved.append)
    assert saved == []
    runtimes.require("eager")
    runtimes.require("compile")
