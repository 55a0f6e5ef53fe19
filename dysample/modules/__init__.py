"""The upsamplers, one file each."""

from dysample.modules.deconv import Deconv
from dysample.modules.dysample import DySample
from dysample.modules.interpolate import Bicubic, Bilinear, Nearest
from dysample.modules.pixel_shuffle import PixelShuffle

__all__ = ["Bicubic", "Bilinear", "Deconv", "DySample", "Nearest", "PixelShuffle"]
