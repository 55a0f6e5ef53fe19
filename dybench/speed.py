"""DySample and CARAFE against the usual formulations, side by side: `python -m dybench.speed`.

The yardsticks stand in `dybench.reference`. Everything of a scene is timed in one contest, each
ratio is taken round by round, and a target that is missed is printed like one that is met.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import torch
import typer

from dybench import files, machine
from dybench.errors import DybenchError
from dybench.measure import allocator, memory
from dybench.measure.latency import Contestant, Pace, contest, relative, summarise
from dybench.measure.timer import for_device
from dybench.reference import ReferenceCARAFE, ReferenceDySample
from dybench.subject import TRAINED_OFFSET_STD, spread_offsets
from dysample import CARAFE, Bilinear, DySample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
SCHEMA = "dybench.speed/1"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One input on which ours and the yardsticks are timed together."""

    what: str = "DySample"
    channels: int = 256
    height: int = 120
    width: int = 120
    scale: int = 2
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    dtype: str = "float32"

    @property
    def title(self) -> str:
        """The scene in a few words."""
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        size = f"{self.channels}×{self.height}×{self.width} ×{self.scale}"
        return f"{self.what} {size}, {self.dtype}{options}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One ratio of a scene, its 95 % interval, and the ratio it must not exceed, if any."""

    scene: str
    ours: str
    against: str
    ratio: float
    low: float
    high: float
    target: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met: by the whole interval, by none of it, or cannot be said."""
        if self.target is None:
            return ""
        if self.high <= self.target:
            return "met"
        return "missed" if self.low > self.target else "unclear"


SCENES = (
    Scene(),
    Scene(options={"dyscope": True}),
    Scene(options={"style": "pl", "groups": 8}),
    Scene(options={"groups": 8}),
    Scene(channels=128),
    Scene(channels=64),
    Scene(height=32, width=32),
    Scene(channels=64, height=32, width=32),
)
CUDA_SCENES = (*SCENES, Scene(dtype="float16"), Scene(dtype="bfloat16"))
CARAFE_SCENE = Scene(what="CARAFE")


def run_scene(
    scene: Scene, device: torch.device, pace: Pace, seed: int = 0
) -> tuple[list[Row], dict[str, float], dict[str, float]]:
    """Time one scene.

    Returns:
        The ratios; the median seconds of every contestant; the peak memory of ours and the
        yardstick above input and output, as a share of the output.
    """
    torch.manual_seed(seed)
    calls = dict(_calls(scene, device))
    entrants = {name: Contestant(name, call) for name, call in calls.items()}
    with torch.inference_mode():
        order = list(entrants.values())
        for _ in contest(order, for_device(device), pace, reference="reference", seed=seed):
            pass
        overhead = {
            name: _overhead(call, device)
            for name, call in calls.items()
            if name.startswith(("ours", "reference"))
        }
    for contestant in order:
        if contestant.error is not None:
            raise contestant.error
    latency = {name: summarise(contestant) for name, contestant in entrants.items()}
    seconds = {name: value.median for name, value in latency.items() if value}
    return list(_rows(scene, entrants, device)), seconds, overhead


def _calls(scene: Scene, device: torch.device) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Every contestant of a scene, the yardstick first."""
    shape = (1, scene.channels, scene.height, scene.width)
    dtype = getattr(torch, scene.dtype)
    x = torch.randn(shape).to(device, dtype)
    ours, yardstick = _pair(scene)
    ours.to(device, dtype).eval()
    yardstick.to(device, dtype).eval()
    yield "reference", partial(yardstick, x)
    bilinear = Bilinear(scene.channels, scene.scale)
    for layout, memory_format in LAYOUTS.items():
        laid = x.contiguous(memory_format=memory_format)
        yield f"ours, {layout}", partial(ours, laid)
        yield f"bilinear, {layout}", partial(bilinear, laid)
    out = bilinear(x)
    yield "copy of the output", out.clone


def _pair(scene: Scene) -> tuple[nn.Module, nn.Module]:
    """Ours and the yardstick with the same weights."""
    ours: nn.Module
    yardstick: nn.Module
    if scene.what == "CARAFE":
        ours = CARAFE(scene.channels, scene.scale, **scene.options)
        yardstick = ReferenceCARAFE(scene.channels, scene.scale, **scene.options)
    else:
        ours = DySample(scene.channels, scene.scale, **scene.options)
        spread_offsets(ours, TRAINED_OFFSET_STD)
        yardstick = ReferenceDySample(scene.channels, scene.scale, **scene.options)
    yardstick.load_state_dict(ours.state_dict())
    return ours, yardstick


def _rows(scene: Scene, entrants: dict[str, Contestant], device: torch.device) -> Iterator[Row]:
    pairs = [("ours, NCHW", "reference"), ("ours, channels_last", "reference")]
    pairs += [("ours, NCHW", "bilinear, NCHW"), ("ours, channels_last", "bilinear, NCHW")]
    pairs += [("ours, channels_last", "bilinear, channels_last")]
    pairs += [("ours, channels_last", "copy of the output")]
    for ours, against in pairs:
        ratio = relative(entrants[ours], entrants[against])
        if ratio is not None:
            target = _target(scene, ours, against, device)
            yield Row(
                scene=scene.title,
                ours=ours,
                against=against,
                ratio=ratio.ratio,
                low=ratio.low,
                high=ratio.high,
                target=target,
            )


def _target(scene: Scene, ours: str, against: str, device: torch.device) -> float | None:
    """The ratio that must be reached; None where none was set."""
    if device.type == "cuda":
        same_layout = ours.split(", ")[1] == against.split(", ")[-1]
        if against == "reference":
            return 0.33
        return 1.3 if against.startswith("bilinear") and same_layout else None
    if scene.what == "CARAFE":
        return 0.25 if (ours, against) == ("ours, channels_last", "reference") else None
    if against == "reference":
        full_size = scene in (Scene(), Scene(options={"dyscope": True}))
        return 0.45 if ours == "ours, channels_last" and full_size else 1.0
    wanted = ("ours, channels_last", "bilinear, NCHW")
    return 1.0 if (ours, against) == wanted and scene == Scene() else None


def _overhead(call: Callable[[], Tensor], device: torch.device) -> float:
    """Peak memory above input and output, as a share of the output."""
    output = call()
    size = output.numel() * output.element_size()
    del output
    return memory.measure(call, device).peak / size - 1


def speed(
    device: Annotated[str, typer.Option(help="cpu or cuda:N.")] = "cpu",
    budget: Annotated[float, typer.Option(min=0.05, help="Seconds for each contestant.")] = 3.0,
    only: Annotated[str, typer.Option(help="Scenes whose title holds this text.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="JSON report to write.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
) -> None:
    """Time DySample and CARAFE against the usual formulations and bilinear, side by side."""
    kept = allocator.keep_freed_memory()
    place = torch.device(device)
    scenes = (*(CUDA_SCENES if place.type == "cuda" else SCENES), CARAFE_SCENE)
    pace = Pace(budget_s=budget, rounds=60, min_rounds=9, width=0.0)
    results = []
    for scene in (s for s in scenes if only in s.title):
        rows, seconds, overhead = run_scene(scene, place, pace)
        results.append(
            {"scene": scene.title, "rows": rows, "seconds": seconds, "memory_overhead": overhead}
        )
        typer.echo("\n".join(_lines(scene, rows, seconds, overhead)))
    if output is None:
        return
    report = {
        "schema": SCHEMA,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "freed_memory_kept": kept,
        "results": results,
    }
    content = msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
    (files.replace if force else files.create_new)(output, content)


def _lines(
    scene: Scene, rows: list[Row], seconds: dict[str, float], overhead: dict[str, float]
) -> Iterator[str]:
    """The scene as Markdown: ratios, then medians and memory."""
    yield f"\n**{scene.title}**\n"
    yield "| ours | against | ratio [95 %] | must reach | |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        target = "" if row.target is None else f"≤ {row.target:g}"
        interval = f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"
        yield f"| {row.ours} | {row.against} | {interval} | {target} | {row.verdict} |"
    medians = "; ".join(f"{name} {value * 1e3:.2f} ms" for name, value in seconds.items())
    yield f"\nMedians: {medians}."
    shares = "; ".join(f"{name} {share:.0%}" for name, share in overhead.items())
    yield f"Peak memory above input and output, of the output: {shares}."


if __name__ == "__main__":
    try:
        typer.run(speed)
    except DybenchError as error:
        typer.echo(f"dybench.speed: {error}", err=True)
        raise SystemExit(1) from None
