"""The metrics, one file each: parameters, FLOPs, peak memory, latency."""
