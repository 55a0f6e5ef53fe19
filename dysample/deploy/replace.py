"""Upsamplers in place of the interpolation layers of a model that is there already."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from dysample.catalog import build_upsampler, named
from dysample.deploy._state import in_eval
from dysample.ops._implementation import memory_format

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import Tensor

_LAYERS = (nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d)


class Replacement(NamedTuple):
    """One layer and the upsampler that took its place."""

    layer: nn.Upsample
    upsampler: nn.Module


class Replacements(NamedTuple):
    """What `replace_upsample` did, by qualified name: `replaced`, and `left` with the reason."""

    replaced: dict[str, Replacement]
    left: dict[str, str]


class _Map(NamedTuple):
    """What an upsampler must know of a map."""

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    layout: torch.memory_format


@dataclass
class _Place:
    """One attribute that holds an `nn.Upsample`, and the maps that it was seen to get."""

    name: str
    parent: nn.Module
    attribute: str
    layer: nn.Upsample
    seen: list[_Map] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)

    def put(self, module: nn.Module) -> None:
        setattr(self.parent, self.attribute, module)


def replace_upsample(
    model: nn.Module,
    name: str = "dysample",
    *,
    example_inputs: Tensor | Sequence[Any] | Mapping[str, Any],
    exclude: Collection[str] = (),
    **options: object,
) -> Replacements:
    """Put an upsampler in the place of every `nn.Upsample` of `model`, whatever its mode.

    One forward pass, in `eval()` and without gradients, finds the channels. An upsampler takes
    over device, dtype, layout and training mode, and is new: train it, or load its weights. A
    place that is called several times keeps one upsampler for all of its calls; one layer in
    several places becomes several upsamplers. Calls of `F.interpolate` are no modules and stay,
    and so do layers with a target `size`, with a factor that is not the same integer above 1 in
    both directions, or that get no `(N, C, H, W)`.

    Args:
        model: changed in place; if an error is raised it is as it was.
        name: of an upsampler without a guide, a key of `UPSAMPLERS`.
        example_inputs: of `model`: a tensor, positional arguments, or keyword arguments.
        exclude: qualified names of layers to leave, or of modules above them.
        **options: of the upsampler, as for `build_upsampler`.

    Returns:
        By qualified name, the layers `replaced` with their upsamplers, and why others were `left`.

    Raises:
        ValueError: a guided upsampler, options that do not fit a layer's channels, a name in
            `exclude` with no layer, or a place that is called with different channels.
        TypeError: an option that the upsampler does not have, or a `model` that is one layer.
    """
    if named(name).guided:
        raise ValueError(
            f"`name` (={name!r}) must be an upsampler without a guide: "
            "the place of nn.Upsample gets the map alone"
        )
    if isinstance(model, nn.Upsample):
        raise TypeError("`model` must hold nn.Upsample layers, and is one itself")
    places = _places(model)
    _check_exclude(exclude, places)
    left = {place.name: reason for place in places if (reason := _why_left(place.layer))}
    left |= {place.name: "excluded" for place in places if _excluded(place.name, exclude)}
    candidates = [place for place in places if place.name not in left]
    _observe(model, candidates, example_inputs)
    built = {}
    for place in candidates:
        if reason := _why_unfit(place):
            left[place.name] = reason
        else:
            built[place.name] = _build(model, place, name, options)
    for place in candidates:
        if place.name in built:
            place.put(built[place.name])
    layers = {place.name: place.layer for place in candidates}
    return Replacements({key: Replacement(layers[key], new) for key, new in built.items()}, left)


def _places(model: nn.Module) -> list[_Place]:
    """Return every place of a layer, each once, however often the layer or its parent occurs."""
    found = []
    for prefix, parent in model.named_modules():
        for attribute, child in parent._modules.items():  # named_children() hides what it repeats
            if isinstance(child, nn.Upsample):
                name = f"{prefix}.{attribute}" if prefix else attribute
                found.append(_Place(name, parent, attribute, child))
    return found


def _excluded(name: str, exclude: Collection[str]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in exclude)


def _check_exclude(exclude: Collection[str], places: list[_Place]) -> None:
    if isinstance(exclude, str):
        raise TypeError(f"`exclude` (={exclude!r}) must be a collection of names, not one string")
    for entry in exclude:
        if not any(_excluded(place.name, (entry,)) for place in places):
            names = ", ".join(place.name for place in places) or "none"
            raise ValueError(
                f"`exclude` (={entry!r}) must name an nn.Upsample of the model: {names}"
            )


def _factors(layer: nn.Upsample) -> tuple[float, ...]:
    factor = layer.scale_factor
    if factor is None:
        return ()
    return tuple(factor) if isinstance(factor, (tuple, list)) else (float(factor),)


def _why_left(layer: nn.Upsample) -> str | None:
    """Return why the layer stays, as far as it tells by itself."""
    factors = _factors(layer)
    if type(layer) not in _LAYERS:
        return f"a {type(layer).__name__}, which may do more than nn.Upsample"
    if layer.size is not None or not factors:
        return f"it has a target size (={layer.size}), not a factor"
    if len(set(factors)) > 1:
        return f"its factor (={layer.scale_factor}) is not the same in all directions"
    if not float(factors[0]).is_integer() or factors[0] < 2:
        return f"its factor (={layer.scale_factor}) is not an integer above 1"
    return None


def _why_unfit(place: _Place) -> str | None:
    """Return why the layer stays, given what it was seen to get."""
    if not place.seen:
        return "the example inputs do not reach it"
    if place.keywords:
        return f"it is called with the keyword `{place.keywords[0]}`, which upsamplers do not have"
    shape = next((tuple(x.shape) for x in place.seen if len(x.shape) != 4), None)
    return None if shape is None else f"it gets a map of shape {shape}, not (N, C, H, W)"


def _observe(model: nn.Module, places: list[_Place], example_inputs: object) -> None:
    """Run the model once and note what each place gets; leave the model as it was.

    Every place gets a layer of its own meanwhile, so that the calls of a shared one are told apart.
    """
    with _probed(places), in_eval(model), torch.no_grad():
        if isinstance(example_inputs, torch.Tensor):
            model(example_inputs)
        elif isinstance(example_inputs, Mapping):
            model(**example_inputs)
        else:
            model(*example_inputs)  # type: ignore[misc]


@contextmanager
def _probed(places: list[_Place]) -> Iterator[None]:
    try:
        for place in places:
            probe = copy.deepcopy(place.layer)
            probe.register_forward_pre_hook(_noter(place), with_kwargs=True)
            place.put(probe)
        yield
    finally:
        for place in places:
            place.put(place.layer)


def _noter(place: _Place) -> Any:  # noqa: ANN401
    def note(_layer: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        place.keywords.extend(kwargs)
        x = args[0] if args else kwargs["input"]
        layout = memory_format(x) if x.dim() == 4 else torch.contiguous_format
        place.seen.append(_Map(x.shape, x.dtype, x.device, layout))

    return note


def _build(model: nn.Module, place: _Place, name: str, options: dict[str, object]) -> nn.Module:
    channels = {x.shape[1] for x in place.seen}
    if len(channels) > 1:
        raise ValueError(
            f"{place.name} is called with maps of {sorted(channels)} channels, and an upsampler "
            "has one number of them: give each call a layer of its own, or `exclude` it"
        )
    x = place.seen[0]
    try:
        upsampler = build_upsampler(name, channels.pop(), int(_factors(place.layer)[0]), **options)
    except ValueError as error:
        raise ValueError(f"{place.name}: {error}; `exclude` leaves it as it is") from error
    upsampler.to(device=x.device, dtype=_parameter_dtype(model, x))
    if x.layout is torch.channels_last:
        upsampler.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return upsampler.train(place.layer.training)


def _parameter_dtype(model: nn.Module, x: _Map) -> torch.dtype:
    """Return the dtype of the model's parameters: autocast may have changed that of the maps."""
    dtypes = [p.dtype for p in model.parameters() if p.is_floating_point()]
    return x.dtype if x.dtype in dtypes or not dtypes else dtypes[0]
