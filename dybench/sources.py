"""Where an upsampler comes from: a name of the catalogue, `pkg.module:Class` or `file.py:Class`.

User code runs only here, and only where the user named it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from dybench.errors import UsageError
from dysample import UPSAMPLERS, build_upsampler

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from dybench.case import Option


class Source(NamedTuple):
    """How to make an upsampler.

    Attributes:
        name: as the user named it, which is how rows are matched across reports.
        make: `make(in_channels, scale, **options)`.
        guided: whether its forward takes a guide after the map.
        scales: those it has, or None for any positive integer.
    """

    name: str
    make: Callable[..., nn.Module]
    guided: bool = False
    scales: tuple[int, ...] | None = None

    def build(self, channels: int, scale: int, options: dict[str, Option]) -> nn.Module:
        """Build it.

        Raises:
            ValueError: if it cannot work on these channels, at this scale or with these options.
        """
        if self.scales is not None and scale not in self.scales:
            allowed = ", ".join(map(str, self.scales))
            raise ValueError(f"`scale` (={scale}) must be one of {allowed}")
        return self.make(channels, scale, **options)


def resolve(name: str) -> Source:
    """Find the upsampler a user named.

    Raises:
        UsageError: in one line, if there is none, or its module cannot be imported.
    """
    entry = UPSAMPLERS.get(name)
    if entry is not None:

        def make(channels: int, scale: int, **options: Option) -> nn.Module:
            return build_upsampler(name, channels, scale, **options)

        return Source(name, make, entry.guided, entry.scales)
    where, colon, attribute = name.rpartition(":")
    if not colon:
        close = get_close_matches(name, UPSAMPLERS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "see `dybench list`"
        raise UsageError(f"no upsampler is called {name!r}; {hint}")
    if not where or not attribute:
        raise UsageError(f"{name!r} must be written pkg.module:Class or file.py:Class")
    module = _import_file(where) if where.endswith(".py") else _import_module(where)
    return _from_class(name, _class_of(module, where, attribute))


def _from_class(name: str, cls: type[nn.Module]) -> Source:
    scales = getattr(cls, "scales", None)
    if scales is not None:
        try:
            scales = tuple(int(scale) for scale in scales)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}: `scales` (={scales!r}) must be integers") from error
    return Source(name, cls, bool(getattr(cls, "guided", False)), scales)


def _class_of(module: ModuleType, where: str, attribute: str) -> type[nn.Module]:
    try:
        found: Any = getattr(module, attribute)
    except AttributeError as error:
        classes = [n for n, v in vars(module).items() if _is_module_class(v)]
        close = get_close_matches(attribute, classes, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"{where} has no class {attribute!r}{hint}") from error
    if not _is_module_class(found):
        raise UsageError(f"{where}:{attribute} is no torch.nn.Module class")
    cls: type[nn.Module] = found
    return cls


def _is_module_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(f"cannot import {name!r}: no module named {error.name!r}") from error
    except Exception as error:
        raise UsageError(f"importing {name!r} failed: {describe(error)}") from error


def _import_file(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"no file {path}")
    name = f"_dybench_plugin_{file.stem}_{abs(hash(file.resolve()))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"importing {path} failed: {describe(error)}") from error
    return module


def describe(error: BaseException) -> str:
    """An exception in one line: its kind and the first line of what it says."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0].strip()}" if text else type(error).__name__
