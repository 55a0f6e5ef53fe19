"""What `dybench.speed` times: scenes, who runs in them, and the ratios that must be reached."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import torch

from dybench.case import TRAINED_OFFSET_STD
from dybench.reference import ReferenceCARAFE, ReferenceDySample
from dybench.subject import spread_offsets
from dysample import CARAFE, Bilinear, DySample
from dysample.ops import implementation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
REFERENCE = "reference"
COPY = "copy of the output"
# After the name of a contestant: the same call, replayed as a CUDA graph. On small maps a GPU is
# done before Python has launched the next kernel, and a ratio of calls is one of launching.
REPLAYED = " (CUDA graph)"
# A copy that no cache holds: on a GPU with 50 MB of L2, one of the output may never leave it.
DEVICE_COPY = "device copy"
DEVICE_COPY_BYTES = 1 << 30
PAIRS = (
    ("ours, NCHW", REFERENCE),
    ("ours, channels_last", REFERENCE),
    ("ours, NCHW", "bilinear, NCHW"),
    ("ours, channels_last", "bilinear, NCHW"),
    ("ours, channels_last", "bilinear, channels_last"),
    ("ours, channels_last", COPY),
)


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

    def bytes_moved(self) -> int:
        """Bytes of the input and of the output: what any upsampler must read and write."""
        pixels = self.channels * self.height * self.width
        return pixels * (1 + self.scale**2) * int(getattr(torch, self.dtype).itemsize)


PL8 = {"style": "pl", "groups": 8}
SCENES = (
    Scene(),
    Scene(options={"dyscope": True}),
    Scene(options=PL8),
    Scene(options={"groups": 8}),
    Scene(channels=128),
    Scene(channels=64),
    Scene(channels=64, options=PL8),
    Scene(height=32, width=32),
    Scene(channels=128, height=32, width=32, options={"groups": 8, "dyscope": True}),
    Scene(channels=64, height=32, width=32),
    Scene(channels=64, height=32, width=32, options={"groups": 8}),
    Scene(channels=64, height=32, width=32, options=PL8),
)
CUDA_SCENES = (*SCENES, Scene(dtype="float16"), Scene(dtype="bfloat16"))
CARAFE_SCENE = Scene(what="CARAFE")


def scenes_on(device: torch.device) -> tuple[Scene, ...]:
    """Every scene for `device`."""
    return (*(CUDA_SCENES if device.type == "cuda" else SCENES), CARAFE_SCENE)


def calls_of(
    scene: Scene, device: torch.device, paths: tuple[str, ...] = ()
) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Every contestant of a scene, the yardstick first.

    Args:
        scene: what is upsampled.
        device: where.
        paths: implementations of ours to be timed by name beside the one that is chosen.
    """
    shape = (1, scene.channels, scene.height, scene.width)
    dtype = getattr(torch, scene.dtype)
    x = torch.randn(shape).to(device, dtype)
    ours, yardstick = pair(scene)
    ours.to(device, dtype).eval()
    yardstick.to(device, dtype).eval()
    yield REFERENCE, partial(yardstick, x)
    bilinear = Bilinear(scene.channels, scene.scale)
    for layout, memory_format in LAYOUTS.items():
        laid = x.contiguous(memory_format=memory_format)
        yield f"ours, {layout}", partial(ours, laid)
        yield f"bilinear, {layout}", partial(bilinear, laid)
        for path in paths:
            yield f"ours, {layout}, {path}", partial(_by_name, path, ours, laid)
    out = bilinear(x)
    yield COPY, out.clone
    if device.type == "cuda":
        yield DEVICE_COPY, torch.empty(DEVICE_COPY_BYTES, dtype=torch.int8, device=device).clone


def pair(scene: Scene) -> tuple[nn.Module, nn.Module]:
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


def target(scene: Scene, ours: str, against: str, device: torch.device) -> float | None:
    """The ratio that must be reached; None where none was set."""
    if device.type == "cuda":
        same_layout = ours.split(", ")[1] == against.split(", ")[-1]
        if against == REFERENCE:
            return 0.33
        return 1.3 if against.startswith("bilinear") and same_layout else None
    if scene.what == "CARAFE":
        return 0.25 if (ours, against) == ("ours, channels_last", REFERENCE) else None
    if against == REFERENCE:
        full_size = scene in (Scene(), Scene(options={"dyscope": True}))
        return 0.45 if ours == "ours, channels_last" and full_size else 1.0
    wanted = ("ours, channels_last", "bilinear, NCHW")
    return 1.0 if (ours, against) == wanted and scene == Scene() else None


def _by_name(path: str, module: nn.Module, x: Tensor) -> Tensor:
    with implementation(path):
        result: Tensor = module(x)
    return result
