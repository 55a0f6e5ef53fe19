"""Networks as data: which low-resolution maps their upsamplers get, and what guides them."""

from __future__ import annotations

import difflib
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from dybench.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upsampler's place in a network.

    Attributes:
        size: height and width of the low-resolution map.
        feature: what is upsampled (`from` in TOML).
        guide: the finer feature at the stage's output size; empty if there is none.
        channels, guide_channels: None for the network's own, and for the stage's own.
    """

    size: tuple[Positive, Positive]
    feature: str = msgspec.field(default="", name="from")
    guide: str = ""
    scale: Positive = 2
    channels: Positive | None = None
    guide_channels: Positive | None = None

    @property
    def pixels(self) -> int:
        """Low-resolution pixels."""
        return self.size[0] * self.size[1]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network whose upsampling stages can be replaced.

    Attributes:
        input: height and width of the image.
        base_params, base_flops: of the network with its own upsamplers; None if not known.
    """

    name: Text
    title: Text
    channels: Positive
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)]
    input: tuple[Positive, Positive] | None = None
    base_params: NotNegative | None = None
    base_flops: NotNegative | None = None

    @property
    def pixels(self) -> int:
        """Low-resolution pixels of all stages."""
        return sum(stage.pixels for stage in self.stages)


def built_in() -> dict[str, Model]:
    """The networks in the package's `models.toml`, by name."""
    return parse(files("dybench").joinpath("models.toml").read_text("utf-8"), "models.toml")


def load_file(path: Path) -> dict[str, Model]:
    """The networks that a user's TOML file describes, by name.

    Raises:
        UsageError: in one line, if the file cannot be read, is no such TOML, or describes a
            network under the name of a built-in one (whose published figures would not apply).
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file (UTF-8)") from error
    models = parse(text, str(path))
    for name in models.keys() & built_in().keys():
        raise UsageError(f"{path}: {name!r} is a built-in model; give yours another name")
    return models


def parse(text: str, origin: str) -> dict[str, Model]:
    """The networks in `text`, a TOML document with one table a network.

    Raises:
        UsageError: in one line naming `origin`, the network and the field.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{origin} is not valid TOML: {error}") from error
    if not tables:
        raise UsageError(f"{origin} describes no model: begin one with a line like [my-model]")
    return {name: _model(name, table, origin) for name, table in tables.items()}


def _model(name: str, table: Any, origin: str) -> Model:  # noqa: ANN401 - whatever TOML holds
    if not isinstance(table, dict):
        raise UsageError(f"{origin}: `{name}` stands outside a table: put [my-model] above it")
    if "name" in table:
        raise UsageError(f"{origin}: [{name}] needs no `name`: its table's name is its name")
    try:
        return msgspec.convert({**table, "name": name}, Model)
    except msgspec.ValidationError as error:
        raise UsageError(f"{origin}: [{name}] {_lower(str(error))}") from error


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def select(models: Mapping[str, Model], names: Sequence[str]) -> list[Model]:
    """The networks called `names`, or all of them if no name is given.

    Raises:
        UsageError: for a name that is not among them, with the nearest one that is.
    """
    for name in names:
        if name not in models:
            close = difflib.get_close_matches(name, models, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"unknown model {name!r}: choose from {', '.join(models)}{hint}")
    return [models[name] for name in dict.fromkeys(names or models)]
