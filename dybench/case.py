"""What to measure: one `Case` an upsampler in one grid cell, and the grid they come from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Layout = Literal["contiguous", "channels_last"]
Mode = Literal["inference", "training"]
Runtime = Literal["eager", "compile", "onnxruntime"]
Option = bool | int | float | str | None

# How far DySample's offsets reach once it is trained, in low-resolution pixels.
TRAINED_OFFSET_STD = 0.5


class Cell(msgspec.Struct, frozen=True, order=True):
    """One cell of the grid: everything about a case but the upsampler in it."""

    channels: int
    height: int
    width: int
    scale: int
    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    layout: Layout = "contiguous"
    mode: Mode = "inference"
    runtime: Runtime = "eager"

    @property
    def pixels(self) -> int:
        """Low-resolution pixels of one image of the batch."""
        return self.height * self.width


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One upsampler to measure on one input.

    Attributes:
        upsampler: a name of the catalogue, `pkg.module:Class` or `file.py:Class`.
        options: constructor options beyond the upsampler's own defaults.
        channels, height, width, batch: the low-resolution input `(N, C, H, W)`.
        scale: the upsampling factor.
        dtype: a torch dtype by name, such as `float16`.
        device: a torch device by name, such as `cuda:0`.
    """

    upsampler: str
    options: dict[str, Option] = msgspec.field(default_factory=dict)
    channels: int
    height: int
    width: int
    scale: int
    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    layout: Layout = "contiguous"
    mode: Mode = "inference"
    runtime: Runtime = "eager"

    @property
    def cell(self) -> Cell:
        """The grid cell this case belongs to."""
        return Cell(**{name: getattr(self, name) for name in Cell.__struct_fields__})

    @property
    def contest(self) -> Cell:
        """What runs in the same rounds as this case: its cell, whatever the runtime."""
        return msgspec.structs.replace(self.cell, runtime="eager")

    @property
    def key(self) -> tuple[str, tuple[tuple[str, Option], ...], Cell]:
        """What identifies this case across reports."""
        return (self.upsampler, tuple(sorted(self.options.items())), self.cell)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape `(N, C, H, W)` of the low-resolution input."""
        return (self.batch, self.channels, self.height, self.width)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """Shape `(N, C, sH, sW)` of the result."""
        return (self.batch, self.channels, self.height * self.scale, self.width * self.scale)


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The full product of what a run varies."""

    upsamplers: Sequence[str]
    channels: Sequence[int]
    sizes: Sequence[tuple[int, int]]
    scales: Sequence[int] = (2,)
    batches: Sequence[int] = (1,)
    dtypes: Sequence[str] = ("float32",)
    devices: Sequence[str] = ("cpu",)
    layouts: Sequence[Layout] = ("contiguous",)
    modes: Sequence[Mode] = ("inference",)
    runtimes: Sequence[Runtime] = ("eager",)

    def cells(self) -> Iterator[Cell]:
        """The grid's cells, in a fixed order: the last axis varies fastest."""
        axes = product(
            self.channels,
            self.sizes,
            self.scales,
            self.batches,
            self.dtypes,
            self.devices,
            self.layouts,
            self.modes,
            self.runtimes,
        )
        for channels, (height, width), scale, batch, dtype, device, layout, mode, runtime in axes:
            yield Cell(channels, height, width, scale, batch, dtype, device, layout, mode, runtime)

    def cases(self, cell: Cell) -> list[Case]:
        """The cases of one cell, one an upsampler."""
        fields = msgspec.structs.asdict(cell)
        return [Case(upsampler=name, **fields) for name in self.upsamplers]
