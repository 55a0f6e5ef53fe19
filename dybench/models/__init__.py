"""What upsamplers add to whole networks: networks as data, counts, and what authors printed."""
