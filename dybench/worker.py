"""A process that times blocks of calls when it is told to; `dybench check --against` runs three.

One JSON object a line comes in, one goes out. The upsampler comes from the tree the process was
started in; dybench itself is that of the process that started it, whatever the tree holds, so
base and head are measured by the same code.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch

import dysample
from dybench.case import Case
from dybench.conditions import Settings
from dybench.measure import allocator
from dybench.measure.output import naive_deviation, probe
from dybench.measure.timer import Timer, for_device
from dybench.measure.waiting import UninterruptedTimer
from dybench.rows import measure_static
from dybench.sources import Source, describe, resolve
from dybench.subject import Subject, build, make_inputs, prepare

if TYPE_CHECKING:
    from typing import BinaryIO

WARM_S = 0.15
WARM_SHARE = 0.2  # of a block, untimed before it


class Worker:
    """Answers requests about one case at a time."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._case: Case | None = None
        self._source: Source | None = None
        self._subject: Subject | None = None
        self._timer: Timer | None = None
        self._cores = _cores()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what `request["do"]` says and return the result."""
        match request["do"]:
            case "start":
                return self._start(request)
            case "prepare":
                return self._prepare(msgspec.convert(request["case"], Case))
            case "exact":
                return self._exact()
            case "time":
                self._take_core(request["turn"])
                return {"seconds": self._time(request["calls"])}
            case other:
                raise ValueError(f"`do` (={other!r}) must be start, prepare, exact or time")

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        allocator.keep_freed_memory()
        torch.set_num_threads(request["threads"])
        self._settings = Settings(seed=request["seed"], threads=request["threads"], timed=False)
        return {"torch": str(torch.__version__)}

    def _prepare(self, case: Case) -> dict[str, Any]:
        """Build the case and warm it up; tell where its code is from and what a call takes."""
        self._subject = None  # let go of the last case's memory first
        source = resolve(case.upsampler)
        device = torch.device(case.device)
        seed = self._settings.seed
        module = build(case, source, device=device, seed=seed)
        inputs = make_inputs(case, guided=source.guided, device=device, seed=seed)
        self._case, self._source = case, source
        self._subject = prepare(case, module, inputs)
        alone = device.type == "cpu" and torch.get_num_threads() == 1
        self._timer = UninterruptedTimer() if alone else for_device(device)
        return {"file": str(_file_of(case, source)), "seconds": self._warm_up()}

    def _warm_up(self) -> float:
        """Call for a while; return the seconds of a call."""
        spent = call_s = 0.0
        while spent < WARM_S:
            calls = math.ceil(WARM_S / 4 / call_s) if call_s else 1
            block = self._time(calls)
            spent, call_s = spent + block, max(block / calls, 1e-9)
        return call_s

    def _time(self, calls: int) -> float:
        if self._subject is None or self._timer is None:
            raise RuntimeError("nothing is prepared")
        # The other processes have emptied the caches, and the core may be another one.
        self._timer.time(self._subject.call, math.ceil(calls * WARM_SHARE))
        return self._timer.time(self._subject.call, calls)

    def _take_core(self, turn: int) -> None:
        """Move to the core whose turn it is, so that all sides of a round share its neighbours."""
        if self._settings.threads == 1 and len(self._cores) > 1:
            os.sched_setaffinity(0, {self._cores[turn % len(self._cores)]})

    def _exact(self) -> dict[str, Any]:
        if self._subject is None or self._case is None or self._source is None:
            raise RuntimeError("nothing is prepared")
        case, source, settings = self._case, self._source, self._settings
        row, _ = measure_static(case, source, settings, {})
        probed = probe(self._subject.module, self._subject.inputs, settings.seed)
        row = msgspec.structs.replace(row, output_probe=probed)
        deviation = naive_deviation(
            case, source, seed=settings.seed, offset_std=settings.offset_std
        )
        finite = deviation is None or math.isfinite(deviation)
        return {"row": row, "naive_deviation": deviation if finite else sys.float_info.max}


def _cores() -> list[int]:
    """The cores this process may run on; none where that cannot be told or chosen."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


def _file_of(case: Case, source: Source) -> Path:
    if ":" not in case.upsampler:
        return Path(dysample.__file__).resolve()
    return Path(inspect.getfile(source.make)).resolve()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more; what goes wrong is an answer as well."""
    worker = Worker()
    for line in requests:
        try:
            answer = worker.answer(msgspec.json.decode(line))
        except Exception as error:  # noqa: BLE001 - the other revision may raise anything
            answer = {"error": describe(error)}
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()


def main() -> None:
    """Serve on stdin and stdout; whatever a plug-in prints goes to stderr instead."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
