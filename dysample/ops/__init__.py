"""The resampling operators that the upsamplers are made of."""

from dysample.ops._implementation import implementation
from dysample.ops.affinity import affinity
from dysample.ops.point_sample import offset_sample, point_sample
from dysample.ops.reassemble import reassemble

__all__ = ["affinity", "implementation", "offset_sample", "point_sample", "reassemble"]
