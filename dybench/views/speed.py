"""What `dybench.speed` found out, as Markdown: scene by scene, or all of it in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dybench.scenes import LAYOUTS, REFERENCE, REPLAYED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dybench.speed import Result, SpeedReport


def render_machine(machine: Mapping[str, Any], device: str) -> str:
    """What it ran on, in one line; `machine` is that of `dybench.machine`."""
    parts = [f"{machine['cpu']}, {machine['threads']} threads"]
    if device.startswith("cuda"):
        parts = [f"{gpu['name']}, CUDA {gpu['cuda']}" for gpu in machine["gpus"]] + parts
    return ", ".join([*parts, f"torch {machine['packages']['torch']}"])


def render_result(result: Result) -> str:
    """One scene: ratios, then medians, memory and bandwidth."""
    return "\n".join(_lines(result))


def render_table(report: SpeedReport) -> str:
    """All scenes in one table, a row each: ours in both layouts over the reference on NCHW."""
    replays = ("", REPLAYED) if _has_replays(report) else ("",)
    heads = [f"{layout}{replay}" for replay in replays for layout in LAYOUTS]
    memory = "memory above input and output, of the output: reference · NCHW · channels_last"
    lines = [_row("scene", *heads, memory), _row(*["---"] * (len(heads) + 2))]
    for result in report.results:
        found = {r.ours: r for r in result.rows if r.against.removesuffix(REPLAYED) == REFERENCE}
        ratios = [found.get(f"ours, {head}") for head in heads]
        cells = ["–" if r is None else _interval(r.ratio, r.low, r.high) for r in ratios]
        shares = [
            f"{result.memory_overhead[name]:.0%}"
            for name in (REFERENCE, *(f"ours, {layout}" for layout in LAYOUTS))
        ]
        lines.append(_row(result.scene, *cells, " · ".join(shares)))
    return "\n".join(lines)


def _has_replays(report: SpeedReport) -> bool:
    return any(row.ours.endswith(REPLAYED) for result in report.results for row in result.rows)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _lines(result: Result) -> Iterator[str]:
    yield f"\n**{result.scene}**\n"
    yield "| ours | against | ratio [95 %] | must reach | |"
    yield "| --- | --- | --- | --- | --- |"
    for row in result.rows:
        target = "" if row.target is None else f"≤ {row.target:g}"
        ratio = _interval(row.ratio, row.low, row.high)
        yield f"| {row.ours} | {row.against} | {ratio} | {target} | {row.verdict} |"
    medians = "; ".join(f"{name} {value * 1e3:.2f} ms" for name, value in result.seconds.items())
    yield f"\nMedians: {medians}."
    shares = "; ".join(f"{name} {share:.0%}" for name, share in result.memory_overhead.items())
    yield f"Peak memory above input and output, of the output: {shares}."
    rates = "; ".join(
        f"{name} {rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]"
        for name, rate in result.bandwidth.items()
    )
    yield f"Bandwidth (input and output, once each), of a copy's: {rates}."


def _interval(ratio: float, low: float, high: float) -> str:
    return f"{ratio:.2f} [{low:.2f}, {high:.2f}]"
