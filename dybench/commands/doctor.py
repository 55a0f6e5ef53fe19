"""`dybench doctor`: what machine this is, and what to change before trusting a latency."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from dybench.statistics import Interval

BUSY = 0.3  # programs wanting a core, per core, beside this one


class Finding(NamedTuple):
    """One line of the examination; `advice` is empty where all is well."""

    what: str
    found: str
    advice: str = ""


def doctor(
    seconds: Annotated[
        float,
        typer.Option(
            min=0.0, help="Length of the contest of one upsampler against itself; 0 skips it."
        ),
    ] = 10.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Examine the machine: hardware, threads, allocator, load, CUDA, versions, and resolution.

    A contest of bilinear against itself shows which differences can be told apart here.
    """
    from dybench import machine
    from dybench.commands.output import deliver
    from dybench.views.console import printed

    load = machine.load_per_core()  # before this command adds its own
    facts = machine.describe()
    findings = examine(facts, load, dict(os.environ))
    resolution = _resolution(seconds) if seconds else None
    if resolution is not None:
        findings.append(judge_resolution(resolution))
    if json:
        import msgspec

        typer.echo(
            msgspec.json.format(
                msgspec.json.encode(
                    {"machine": facts, "findings": [f._asdict() for f in findings]}
                ),
                indent=1,
            ).decode()
        )
        return
    deliver(printed(lambda console: _render(findings, console)), None)


def examine(
    facts: dict[str, Any], load_per_core: float | None, environment: dict[str, str]
) -> list[Finding]:
    """What is found on a machine of these `facts`, and what to do about it."""
    memory = facts["memory_bytes"] / 1e9
    cores, threads = facts["logical_cores"], facts["threads"]
    findings = [
        Finding("processor", f"{facts['cpu']}, {cores} usable cores, {facts['cpu_capability']}"),
        Finding("memory", f"{memory:.0f} GB"),
        Finding("system", f"{facts['os']}, Python {facts['python']}"),
        Finding("packages", ", ".join(f"{k} {v}" for k, v in facts["packages"].items())),
        Finding(
            "threads",
            f"{threads} within an operator",
            f"more threads than the {cores} usable cores: run with --threads {cores}"
            if threads > cores
            else "",
        ),
        _allocator(facts, environment),
        _load(load_per_core),
        _governor(),
    ]
    for index, gpu in enumerate(facts["gpus"]):
        size = gpu["memory_bytes"] / 1e9
        findings.append(
            Finding(f"cuda:{index}", f"{gpu['name']}, {size:.0f} GB, CUDA {gpu['cuda']}")
        )
    if not facts["gpus"]:
        findings.append(
            Finding("cuda", "none: latency is the CPU's; the CUDA memory shown is a prediction")
        )
        return findings
    if "triton" not in facts["packages"]:
        findings.append(Finding("triton", "absent", "install triton: the fused kernels need it"))
    if "nvidia-ml-py" not in facts["packages"]:
        advice = "to see throttling: pip install 'dybench[nvml]'"
        findings.append(Finding("GPU clocks", "not read", advice))
    return findings


def _allocator(facts: dict[str, Any], environment: dict[str, str]) -> Finding:
    preload = environment.get("LD_PRELOAD", "")
    if any(name in preload for name in ("jemalloc", "tcmalloc", "mimalloc")):
        return Finding("allocator", preload, "a preloaded allocator ignores --allocator")
    if facts["os"].startswith("Linux"):
        return Finding("allocator", "glibc: runs keep freed memory (--allocator keep)")
    return Finding(
        "allocator",
        "the system's; freed memory cannot be kept here",
        "large maps may pay for fresh pages at every call: trust ratios before milliseconds",
    )


def _load(load_per_core: float | None) -> Finding:
    if load_per_core is None:
        return Finding("load", "unknown on this system")
    advice = "close other programs, or wait: they take the time being measured"
    return Finding("load", f"{load_per_core:.2f} per core", advice * (load_per_core > BUSY))


def _governor() -> Finding:
    path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            governor = file.read().strip()
    except OSError:
        return Finding("clock", "not visible (a virtual machine, or not Linux)")
    advice = "set the performance governor: `cpupower frequency-set -g performance`"
    return Finding("clock", f"{governor} governor", advice * (governor != "performance"))


def _resolution(seconds: float) -> Interval | None:
    """Ratio of an upsampler to itself, and its interval, after a contest of `seconds`."""
    import torch

    from dybench.measure import allocator
    from dybench.measure.latency import Contestant, Pace, contest, relative
    from dybench.measure.timer import for_device
    from dybench.statistics import Interval
    from dysample import build_upsampler

    allocator.keep_freed_memory()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    x = torch.randn(1, 64, 120, 120, device=device)
    module = build_upsampler("bilinear", 64)

    def call() -> object:
        with torch.inference_mode():
            return module(x)

    twins = [Contestant("bilinear", call), Contestant("itself", call)]
    pace = Pace(budget_s=seconds / 2, rounds=10_000, width=0.0)
    for _ in contest(twins, for_device(device), pace, reference="bilinear"):
        pass
    ratio = relative(twins[1], twins[0])
    return None if ratio is None else Interval(ratio.ratio, ratio.low, ratio.high)


def judge_resolution(ratio: Interval) -> Finding:
    """What a contest of an upsampler against itself says about the machine."""
    seen = max(abs(ratio.high - 1), abs(ratio.low - 1))
    interval = f"{ratio.estimate:.3f}, {ratio.low:.3f} to {ratio.high:.3f}"
    found = f"differences below {seen:.1%} cannot be seen here"
    found += f" (bilinear against itself: {interval})"
    advice = "this machine is too noisy for a comparison: close other programs" * (seen > 0.05)
    return Finding("resolution", found, advice)


def _render(findings: list[Finding], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        body = Text(finding.found)
        if finding.advice:
            body.append(f"\n→ {finding.advice}", style="yellow")
        table.add_row(Text(finding.what, style="bold"), body)
    console.print(table)
    wrong = sum(bool(finding.advice) for finding in findings)
    to_change = f"{wrong} thing{'s' * (wrong != 1)} to change first (→)"
    verdict = to_change if wrong else "fit to measure"
    console.print(Text(f"\n{verdict}", style="bold"))
