"""Measuring whole networks; what is asserted is what ran and what was kept, never a time."""

import re
from typing import ClassVar

import pytest
import torch
from torch import nn

from dybench.measure.latency import Pace
from dybench.models.contest import measure
from dybench.models.hosts import parse
from dybench.models.rows import counted_rows
from dybench.sources import Source, resolve

HOST = """
[mine]
title = "mine"
channels = 32
stages = [{size = [6, 10], guide = "c2"}, {size = [12, 20], guide = "c1"}]
"""
PACE = Pace(budget_s=0.002, block_s=0.0002, rounds=3, min_rounds=3, warmup_s=0.0)
CPU = torch.device("cpu")


def measured(sources, text=HOST):
    (model,) = parse(text, "x").values()
    rows = list(counted_rows([model], sources))
    shares = list(measure(model, rows, sources, CPU, PACE))
    return rows, shares


class Recorder(nn.Module):
    """Notes the shapes it is given."""

    seen: ClassVar[list[tuple[tuple[int, ...], ...]]] = []

    def __init__(self, in_channels, scale=2):
        super().__init__()
        self.up = nn.Upsample(scale_factor=scale)

    def forward(self, *maps):
        if maps[0].device.type == "cpu":
            self.seen.append(tuple(tuple(m.shape) for m in maps))
        return self.up(maps[0])


def test_every_stage_runs_in_sequence_with_its_guide():
    Recorder.seen.clear()
    rows, shares = measured([Source("mine", Recorder, guided=True)])
    stages = [
        ((1, 32, 6, 10), (1, 32, 12, 20)),
        ((1, 32, 12, 20), (1, 32, 24, 40)),
    ]
    calls = [shapes for shapes in Recorder.seen if shapes in stages]
    assert len(calls) >= 2 * 3
    assert calls[-len(calls) // 2 * 2 :] == stages * (len(calls) // 2)
    assert shares[-1] == 1.0
    assert rows[0].status == "ok"


def test_rows_get_latency_ratio_and_measured_memory():
    rows, _ = measured([resolve(name) for name in ("bilinear", "dysample", "fade")])
    for row in rows:
        assert row.added_latency_s == row.latency_s.median > 0
        assert row.relative_latency.to == "bilinear"
        assert row.added_memory_kind == "cpu allocator"
        assert row.added_memory_bytes >= 4 * 32 * 24 * 40
    assert rows[0].relative_latency.ratio == 1.0


class Exact(nn.Module):
    """Allocates its result and nothing else."""

    def __init__(self, in_channels, scale=2):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return x.new_empty(*x.shape[:2], self.scale * x.shape[2], self.scale * x.shape[3])


def test_a_stage_result_is_dropped_before_the_next_stage():
    (row,), _ = measured([Source("exact", Exact)])
    assert row.added_memory_bytes == 4 * 32 * 24 * 40


def test_the_reference_takes_part_without_a_row():
    rows, _ = measured([resolve("nearest")])
    assert [row.upsampler for row in rows] == ["nearest"]
    assert rows[0].relative_latency.to == "bilinear"


class Late(nn.Module):
    """Runs on meta tensors and not on real ones."""

    def __init__(self, in_channels, scale=2):
        super().__init__()
        self.up = nn.Upsample(scale_factor=scale)

    def forward(self, x):
        if x.shape[2:] == (12, 20) and x.device.type == "cpu":
            raise RuntimeError("not today")
        return self.up(x)


def test_what_raises_ends_its_own_row_only():
    rows, _ = measured([Source("late", Late), resolve("nearest")])
    late, nearest = rows
    assert (late.status, late.reason) == ("failed", "RuntimeError: not today")
    assert late.added_latency_s is None
    assert nearest.status == "ok"
    assert nearest.added_latency_s is not None


def test_skipped_rows_are_not_run():
    text = HOST.replace("channels = 32", "channels = 30")
    rows, _ = measured([resolve("dysample"), resolve("nearest")], text)
    assert [row.status for row in rows] == ["skipped", "ok"]
    assert rows[0].added_latency_s is None


def test_a_guide_only_where_there_is_one():
    text = HOST.replace(', guide = "c2"', "")
    rows, _ = measured([resolve("sapa-i"), resolve("nearest")], text)
    assert [row.status for row in rows] == ["skipped", "ok"]


def test_stopping_early_keeps_what_was_measured():
    sources = [resolve("nearest")]
    (model,) = parse(HOST, "x").values()
    rows = list(counted_rows([model], sources))
    run = measure(model, rows, sources, CPU, PACE)
    for share in run:
        if share > 0.5:
            break
    run.close()
    assert len(rows[0].latency_s.samples) in (1, 2)


def test_what_would_not_fit_is_not_tried():
    sources = [resolve("nearest"), resolve("sapa-i")]
    rows, shares = measured(sources, HOST.replace("[12, 20]", "[1000000, 200000]"))
    assert [row.status for row in rows] == ["out_of_memory"] * 2
    assert re.fullmatch(r"needs [\d,.]+ GB, cpu has [\d,.]+ GB free", rows[0].reason)
    assert shares == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda():
    (model,) = parse(HOST, "x").values()
    sources = [resolve("bilinear"), resolve("dysample")]
    rows = list(counted_rows([model], sources))
    list(measure(model, rows, sources, torch.device("cuda:0"), PACE))
    assert [row.added_memory_kind for row in rows] == ["cuda allocator"] * 2
