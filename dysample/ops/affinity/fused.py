"""The affinity in one Triton kernel, which takes no memory beside its result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from dysample.ops._implementation import memory_format
from dysample.ops._triton import (
    dense,
    is_channels_last,
    needs_long,
    on_device,
    power_of_2,
    window_rows_a_program,
    window_tile,
)

if TYPE_CHECKING:
    from torch import Tensor


def affinity_fused(query: Tensor, key: Tensor, side: int, groups: int, scale: int) -> Tensor:
    """Return the logits `(N, groups·k², sH, sW)`, in the layout of `query`."""
    from dysample.ops.affinity.triton_kernels import affinity_kernel

    query = dense(query)
    layout = memory_format(query)
    key = dense(key, layout)
    n, channels, height, width = key.shape
    last = is_channels_last(query)
    out = torch.empty(
        (n, groups * side * side, height * scale, width * scale),
        dtype=query.dtype,
        device=query.device,
        memory_format=layout,
    )
    tile, subs, blocks = window_tile(last, width, channels // groups, groups, scale, query.itemsize)
    if not last:
        # The query's channels stay in registers over all taps where they fit.
        tile = replace(tile, channels=min(32, power_of_2(channels // groups)))
    programs = blocks * tile.programs(n, height, width if last else width * scale, groups)
    window_rows = window_rows_a_program(programs, side)
    programs *= side // window_rows
    with on_device(query):
        affinity_kernel[(programs,)](
            query,
            key,
            out,
            height,
            width,
            channels=channels // groups,
            groups=groups,
            scale=scale,
            side=side,
            window_rows=window_rows,
            last=last,
            subs=subs,
            blocks=blocks,
            **tile.arguments(),
            long=needs_long(query, out),
            enable_fp_fusion=True,
        )
    return out
