"""The resampling operators that the upsamplers are made of."""

from dysample.ops._implementation import implementation
from dysample.ops.point_sample import offset_sample, point_sample

__all__ = ["implementation", "offset_sample", "point_sample"]
