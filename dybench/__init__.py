"""dybench measures feature upsamplers: parameters, FLOPs, peak memory and latency."""

__version__ = "0.1.0"
