"""Whether a call on CUDA waits for its kernels, or the kernels wait to be launched."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from dybench.measure.timer import Call, Timer

LAUNCH_BOUND = 1.25  # times its kernels' own time that a call must take
BLOCKS = 7
GRAPH_CALLS = 8


def kernel_seconds(
    call: Call,
    timer: Timer,
    device: torch.device,
    *,
    block_s: float,
    capture: Callable[[Call, torch.device], Call] | None = None,
) -> float:
    """Seconds that a call's kernels take by themselves: a CUDA graph of it is replayed.

    A graph launches the kernels of some calls at once, so what Python and the launches cost is
    not in it.

    Args:
        call: what was timed; it must be fit for capture: no synchronisation, fixed shapes.
        timer: what it was timed with.
        device: the CUDA device it runs on.
        block_s: seconds a block of replays should last.
        capture: makes a replay of a call; a CUDA graph by default.

    Raises:
        RuntimeError: if the call cannot be captured.
    """

    def several() -> None:  # so that launching the graph itself weighs little
        for _ in range(GRAPH_CALLS):
            call()

    replay = (capture or record)(several, device)
    timer.time(replay, 1)
    replays = max(1, round(block_s / max(timer.time(replay, 1), 1e-9)))
    blocks = (timer.time(replay, replays) for _ in range(BLOCKS))
    return median(blocks) / (replays * GRAPH_CALLS)


def record(call: Call, device: torch.device) -> Call:
    """Capture a call as a CUDA graph and return what replays it.

    Raises:
        RuntimeError: if the call does what a graph cannot hold.
    """
    with torch.cuda.device(device):
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):  # a capture must not see the first call's set-up
            for _ in range(3):
                call()
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # On a stream named: the default one stays with the device that first captured.
        with torch.cuda.graph(graph, stream=stream):
            call()
    return graph.replay


def launch_note(latency_s: float, kernel_s: float) -> str | None:
    """A note for a row whose kernels are done before the next ones have been launched."""
    if latency_s < LAUNCH_BOUND * kernel_s:
        return None
    return (
        f"launch-bound: its kernels take {kernel_s * 1e6:.1f} of {latency_s * 1e6:.1f} µs, the "
        "rest is Python and launching (a CUDA graph or --runtime compile saves it)"
    )
