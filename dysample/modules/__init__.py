"""The upsamplers, one file each."""

from dysample.modules.a2u import A2U
from dysample.modules.carafe import CARAFE
from dysample.modules.deconv import Deconv
from dysample.modules.dysample import DySample
from dysample.modules.fade import FADE, FADELite
from dysample.modules.indexnet import IndexNet
from dysample.modules.interpolate import Bicubic, Bilinear, Nearest
from dysample.modules.pixel_shuffle import PixelShuffle
from dysample.modules.sapa import SAPAB, SAPAD, SAPAI

__all__ = [
    "A2U",
    "CARAFE",
    "FADE",
    "SAPAB",
    "SAPAD",
    "SAPAI",
    "Bicubic",
    "Bilinear",
    "Deconv",
    "DySample",
    "FADELite",
    "IndexNet",
    "Nearest",
    "PixelShuffle",
]
