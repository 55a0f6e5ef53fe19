"""Measuring the rows of several networks, with progress on stderr."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from rich.console import Console
from rich.progress import Progress

from dybench import machine
from dybench.measure import allocator
from dybench.measure.latency import Pace
from dybench.models.contest import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.models.hosts import Model
    from dybench.models.rows import Row
    from dybench.sources import Source


def measure_rows(
    models: Sequence[Model],
    rows: Sequence[Row],
    sources: Sequence[Source],
    device: str,
    budget_s: float,
) -> dict[str, Any]:
    """Measure `rows` in place, network by network; Ctrl-C keeps what was measured by then.

    Returns:
        When, how and on what machine, and whether it was interrupted.
    """
    kept = allocator.keep_freed_memory()
    pace = Pace(budget_s=budget_s, warmup_s=min(0.3, budget_s / 2), min_rounds=6)
    facts = {
        "created": datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "settings": {
            "device": device,
            "dtype": "float32",
            "pace": msgspec.to_builtins(pace),
            "threads": torch.get_num_threads(),
            "freed_memory_kept": kept,
        },
        "interrupted": False,
    }
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        try:
            for model in models:
                if not console.is_terminal:
                    console.print(f"measuring {model.name}", highlight=False)
                task = bars.add_task(model.name, total=1.0)
                own = [row for row in rows if row.model == model.name]
                for share in measure(model, own, sources, torch.device(device), pace):
                    bars.update(task, completed=share)
        except KeyboardInterrupt:
            facts["interrupted"] = True
    return facts
