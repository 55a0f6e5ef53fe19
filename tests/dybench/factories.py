"""Synthetic reports for tests: nothing here was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dybench.case import Case
from dybench.result import Latency, Measurement, Ratio, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# upsampler: (parameters at 256 channels, GFLOPs, peak MiB, latency in ms), plausible, invented
TYPICAL: dict[str, tuple[int, float, float, float]] = {
    "nearest": (0, 0.0, 56.3, 2.9),
    "bilinear": (0, 0.0589824, 56.3, 8.9),
    "bicubic": (0, 0.2359296, 56.3, 31.0),
    "deconv": (590_080, 8.493_465_6, 61.0, 62.0),
    "pixelshuffle": (2_360_320, 33.973_862_4, 112.5, 190.0),
    "carafe": (74_148, 1.434_009_6, 140.0, 41.0),
    "indexnet": (2_100_224, 30.24, 180.0, 210.0),
    "a2u": (10_790, 0.402_336, 95.0, 55.0),
    "fade": (47_514, 2.588_6, 170.0, 88.0),
    "fade-lite": (13_332, 0.87, 150.0, 61.0),
    "sapa-i": (0, 0.78, 120.0, 60.0),
    "sapa-b": (17_472, 1.004_5, 130.0, 71.0),
    "sapa-d": (139_808, 4.48, 210.0, 120.0),
    "dysample": (8_224, 0.176_947_2, 58.0, 5.7),
    "dysample+": (16_416, 0.294_912, 60.0, 6.9),
    "dysample-s": (1_040, 0.117_964_8, 57.0, 6.1),
    "dysample-s+": (2_064, 0.176_947_2, 58.5, 7.4),
}


def make_measurement(
    upsampler: str,
    *,
    params: int | None = 1000,
    flops: int | None = 10**9,
    memory: int | None = 60 * 2**20,
    latency: float | None = 0.01,
    ratio: float | None = None,
    **fields: Any,  # of the Case, else of the Measurement
) -> Measurement:
    """One ok row at 256×120×120 ×2 unless `fields` say otherwise; `latency` in seconds."""
    names = set(Case.__struct_fields__)
    case: dict[str, Any] = {"channels": 256, "height": 120, "width": 120, "scale": 2}
    case |= {name: value for name, value in fields.items() if name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    seconds = None
    if latency is not None:
        samples = [latency * f for f in (0.97, 0.99, 1.0, 1.01, 1.04)]
        seconds = Latency(median=latency, low=samples[1], high=samples[3], samples=samples)
    relative = None
    if ratio is not None:
        relative = Ratio(to="bilinear", ratio=ratio, low=ratio * 0.98, high=ratio * 1.02)
    values: dict[str, Any] = {
        "params": params,
        "params_weights": params,
        "flops": flops,
        "peak_memory_bytes": memory,
        "peak_memory_kind": None if memory is None else "cpu allocator",
        "latency_s": seconds,
        "relative_latency": relative,
    }
    return Measurement(case=Case(upsampler=upsampler, **case), **(values | rest))


def make_cell(upsamplers: Iterable[str] = tuple(TYPICAL), **fields: Any) -> list[Measurement]:
    """One typical row an upsampler, in one grid cell; cost grows with pixels as it should."""
    pixels = fields.get("height", 120) * fields.get("width", 120) / 120**2
    width = fields.get("channels", 256) / 256
    rows = []
    for name in upsamplers:
        params, gflops, mib, ms = TYPICAL[name]
        rows.append(
            make_measurement(
                name,
                params=round(params * width),
                flops=round(gflops * 1e9 * pixels * width),
                memory=round(mib * 2**20 * pixels * width),
                latency=ms / 1e3 * pixels * width,
                ratio=ms / TYPICAL["bilinear"][3],
                **fields,
            )
        )
    return rows


def make_report(
    measurements: Sequence[Measurement] | None = None,
    *,
    created: str = "2026-03-01T12:00:00+00:00",
    **fields: Any,
) -> Report:
    """A complete report; of every built-in upsampler in the paper's cell unless rows are given."""
    values: dict[str, Any] = {
        "command": "dybench run --channels 256 --scale 2",
        "machine": {"cpu": "Synthetic CPU", "hostname": "nowhere", "threads": 2},
        "settings": {"rounds": 5},
        "complete": True,
    }
    rows = make_cell() if measurements is None else list(measurements)
    return Report(created=created, measurements=rows, **(values | fields))
