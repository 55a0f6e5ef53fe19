"""Measuring in this process for `check --baseline`: a run, and the outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import torch

from dybench.baseline import Measured
from dybench.conditions import Settings
from dybench.measure.latency import Pace
from dybench.measure.output import naive_deviation, probe
from dybench.runner import Progress, run
from dybench.settings import GATE_THREADS
from dybench.sources import resolve
from dybench.subject import build, make_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dybench.case import Case
    from dybench.gate import CaseKey
    from dybench.result import Measurement, Report

CONTEST_SHARE = 0.6  # of the budget; the rest goes into static metrics and outputs
LEAST_S, MOST_S = 0.3, 2.4  # of timing for each case


def settings_like(
    old: Report | None, *, cases: int, budget_s: float, threads: int | None, timed: bool
) -> Settings:
    """Settings that measure as `old` did, within a budget."""
    before = old.settings if old is not None else {}
    defaults = Settings()
    each = min(max(CONTEST_SHARE * budget_s / max(cases, 1), LEAST_S), MOST_S)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if threads is None:
        threads = min(before.get("threads", GATE_THREADS), cores or 1)
    return Settings(
        pace=Pace(budget_s=each),
        reference=before.get("reference", defaults.reference),
        seed=before.get("seed", defaults.seed),
        offset_std=before.get("offset_std", defaults.offset_std),
        memory_allocator=before.get("memory_allocator", defaults.memory_allocator),
        threads=threads,
        timed=timed,
    )


def measure(
    cases: Sequence[Case],
    settings: Settings,
    *,
    command: str,
    watch: Callable[[Progress], None],
) -> Measured:
    """Run `cases`, then look at what each puts out."""
    report = run(cases, settings, command=command, watch=watch)
    rows: list[Measurement] = []
    naive: dict[CaseKey, float | None] = {}
    for row in report.measurements:
        if row.status == "ok":
            naive[row.case.key] = _naive(row.case, settings)
            probed = _probe(row.case, settings)
            rows.append(msgspec.structs.replace(row, output_probe=probed))
        else:
            rows.append(row)
    return Measured(msgspec.structs.replace(report, measurements=rows), naive)


def _probe(case: Case, settings: Settings) -> list[float]:
    source, device = resolve(case.upsampler), torch.device(case.device)
    module = build(case, source, device=device, seed=settings.seed, offset_std=settings.offset_std)
    inputs = make_inputs(case, guided=source.guided, device=device, seed=settings.seed)
    return probe(module, inputs, settings.seed)


def _naive(case: Case, settings: Settings) -> float | None:
    return naive_deviation(
        case, resolve(case.upsampler), seed=settings.seed, offset_std=settings.offset_std
    )
