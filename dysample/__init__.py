"""DySample and the upsamplers it is compared with, as PyTorch modules; needs torch alone."""

from dysample.catalog import UPSAMPLERS, UpsamplerEntry, build_upsampler
from dysample.modules import Bicubic, Bilinear, Deconv, DySample, Nearest, PixelShuffle

__all__ = [
    "UPSAMPLERS",
    "Bicubic",
    "Bilinear",
    "Deconv",
    "DySample",
    "Nearest",
    "PixelShuffle",
    "UpsamplerEntry",
    "build_upsampler",
]
