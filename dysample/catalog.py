"""The upsamplers by name: one literal table, and the function that builds from it."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from dysample._checks import check_positive, check_scale
from dysample.modules.a2u import A2U
from dysample.modules.carafe import CARAFE
from dysample.modules.deconv import Deconv
from dysample.modules.dysample import DySample
from dysample.modules.fade import FADE, FADELite
from dysample.modules.indexnet import IndexNet
from dysample.modules.interpolate import Bicubic, Bilinear, Nearest
from dysample.modules.pixel_shuffle import PixelShuffle
from dysample.modules.sapa import SAPAB, SAPAD, SAPAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


@dataclass(frozen=True)
class UpsamplerEntry:
    """One upsampler: its class, what the name presets, and what to print about it.

    `scales` is None where any positive integer will do. `params_formula` counts all learnable
    values, in C (channels), s (scale) and the options of the name.
    """

    cls: type[nn.Module]
    title: str
    params_formula: str
    citation: str
    options: Mapping[str, object] = field(default_factory=dict)
    scales: tuple[int, ...] | None = None

    @property
    def guided(self) -> bool:
        """Whether `forward` takes a high-resolution guide after the map."""
        return bool(getattr(self.cls, "guided", False))

    def allowed_options(self) -> tuple[str, ...]:
        """Return the names of the options of the class."""
        names = inspect.signature(self.cls).parameters
        return tuple(name for name in names if name not in ("in_channels", "scale"))


_DYSAMPLE = "Liu et al., Learning to Upsample by Learning to Sample, ICCV 2023, arXiv:2308.15085"
_KEYS = "Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE TASSP 1981"
_DECONV = "Zeiler et al., Deconvolutional Networks, CVPR 2010"
_PIXEL_SHUFFLE = (
    "Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient "
    "Sub-Pixel Convolutional Neural Network, CVPR 2016, arXiv:1609.05158"
)
_CARAFE = "Wang et al., CARAFE: Content-Aware ReAssembly of FEatures, ICCV 2019, arXiv:1905.02188"
_INDEXNET = (
    "Lu et al., Indices Matter: Learning to Index for Deep Image Matting, ICCV 2019, "
    "arXiv:1908.00672"
)
_A2U = "Dai et al., Learning Affinity-Aware Upsampling for Deep Image Matting, CVPR 2021"
_FADE = (
    "Lu et al., FADE: Fusing the Assets of Decoder and Encoder for Task-Agnostic Upsampling, "
    "ECCV 2022, arXiv:2207.10392"
)
_FADE_LITE = (
    "Lu et al., FADE: A Task-Agnostic Upsampling Operator for Encoder-Decoder Architectures, "
    "IJCV 2024"
)
_SAPA = (
    "Lu et al., SAPA: Similarity-Aware Point Affiliation for Feature Upsampling, NeurIPS 2022, "
    "arXiv:2209.12866"
)
_SAPA_D = "Liu et al., On Point Affiliation in Feature Upsampling, 2023, arXiv:2307.08198"
_TORCH = "torch.nn.functional.interpolate, pytorch.org"

UPSAMPLERS: Mapping[str, UpsamplerEntry] = MappingProxyType(
    {
        "nearest": UpsamplerEntry(Nearest, "Nearest", "0", _TORCH),
        "bilinear": UpsamplerEntry(Bilinear, "Bilinear", "0", _TORCH),
        "bicubic": UpsamplerEntry(Bicubic, "Bicubic", "0", _KEYS),
        "deconv": UpsamplerEntry(Deconv, "Deconv", "9C²+C", _DECONV, scales=(2,)),
        "pixelshuffle": UpsamplerEntry(PixelShuffle, "PixelShuffle", "9C²s²+Cs²", _PIXEL_SHUFFLE),
        "carafe": UpsamplerEntry(CARAFE, "CARAFE", "64C+64+14400s²+25s²", _CARAFE),
        "indexnet": UpsamplerEntry(IndexNet, "IndexNet", "32C²+12C", _INDEXNET, scales=(2,)),
        "a2u": UpsamplerEntry(A2U, "A2U", "42C+38", _A2U, scales=(2,)),
        "fade": UpsamplerEntry(FADE, "FADE", "129C+14490", _FADE, scales=(2,)),
        "fade-lite": UpsamplerEntry(FADELite, "FADE-Lite", "51C+276", _FADE_LITE, scales=(2,)),
        "sapa-i": UpsamplerEntry(SAPAI, "SAPA-I", "0", _SAPA),
        "sapa-b": UpsamplerEntry(SAPAB, "SAPA-B", "68C+64", _SAPA),
        "sapa-d": UpsamplerEntry(SAPAD, "SAPA-D", "(C+1)(256+72s²)", _SAPA_D),
        "dysample": UpsamplerEntry(
            DySample,
            "DySample",
            "2gs²(C+1), g=4",
            _DYSAMPLE,
            options={"style": "lp", "groups": 4, "dyscope": False},
        ),
        "dysample+": UpsamplerEntry(
            DySample,
            "DySample+",
            "2gs²(2C+1), g=4",
            _DYSAMPLE,
            options={"style": "lp", "groups": 4, "dyscope": True},
        ),
        "dysample-s": UpsamplerEntry(
            DySample,
            "DySample-S",
            "2g(C/s²+1), g=8",
            _DYSAMPLE,
            options={"style": "pl", "groups": 8, "dyscope": False},
        ),
        "dysample-s+": UpsamplerEntry(
            DySample,
            "DySample-S+",
            "2g(2C/s²+1), g=8",
            _DYSAMPLE,
            options={"style": "pl", "groups": 8, "dyscope": True},
        ),
    }
)


def named(name: str) -> UpsamplerEntry:
    """Return the entry of `name`.

    Raises:
        ValueError: an unknown name.
    """
    entry = UPSAMPLERS.get(name)
    if entry is None:
        close = difflib.get_close_matches(str(name), UPSAMPLERS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"`name` (={name!r}) must be one of {', '.join(UPSAMPLERS)}{hint}")
    return entry


def build_upsampler(name: str, in_channels: int, scale: int = 2, **options: object) -> nn.Module:
    """Build the upsampler `name` for maps of `in_channels` channels.

    Args:
        name: a key of `UPSAMPLERS`.
        in_channels: channels of the low-resolution map, and of the result.
        scale: how many times higher and wider the result is.
        **options: of the upsampler's class; they override what the name presets.

    Raises:
        ValueError: an unknown name, or a scale that the upsampler does not have.
        TypeError: an option that the upsampler does not have.
    """
    entry = named(name)
    allowed = entry.allowed_options()
    for option in options:
        if option not in allowed:
            known = ", ".join(allowed) or "none"
            raise TypeError(f"`{option}` is no option of {name}; its options: {known}")
    check_positive("in_channels", in_channels)
    check_scale(scale, entry.scales)
    return entry.cls(in_channels, scale, **{**entry.options, **options})
