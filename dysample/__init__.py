"""DySample and the upsamplers it is compared with, as PyTorch modules; needs torch alone."""

from dysample.catalog import UPSAMPLERS, UpsamplerEntry, build_upsampler
from dysample.deploy import Replacement, Replacements, export_onnx, replace_upsample
from dysample.modules import (
    A2U,
    CARAFE,
    FADE,
    SAPAB,
    SAPAD,
    SAPAI,
    Bicubic,
    Bilinear,
    Deconv,
    DySample,
    FADELite,
    IndexNet,
    Nearest,
    PixelShuffle,
)

__all__ = [
    "A2U",
    "CARAFE",
    "FADE",
    "SAPAB",
    "SAPAD",
    "SAPAI",
    "UPSAMPLERS",
    "Bicubic",
    "Bilinear",
    "Deconv",
    "DySample",
    "FADELite",
    "IndexNet",
    "Nearest",
    "PixelShuffle",
    "Replacement",
    "Replacements",
    "UpsamplerEntry",
    "build_upsampler",
    "export_onnx",
    "replace_upsample",
]
