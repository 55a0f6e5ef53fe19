"""Worker processes: one a revision, spoken to in JSON lines."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

import dybench
from dybench.duel import Exact, Prepared, WorkerError
from dybench.errors import DybenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.case import Case

T = TypeVar("T")

# dybench is imported from where this process has it, and from then on its submodules are too;
# everything else, dysample first of all, comes from the tree on PYTHONPATH.
LAUNCHER = """\
import sys
sys.path.insert(0, sys.argv.pop())
import dybench
del sys.path[0]
from dybench.worker import main
main()
"""


class Process:
    """A worker in a process of its own, started in a tree; see `dybench.worker`.

    Args:
        folder: where it runs. sources: folders first on its import path.
        threads: torch's threads within an operator. seed: of weights and inputs.
    """

    def __init__(
        self, folder: Path, sources: Sequence[Path], *, threads: int, seed: int = 0
    ) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        home = Path(dybench.__file__).resolve().parent.parent
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-c", LAUNCHER, str(home)],
            cwd=folder,
            env=_environment(sources, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,  # Ctrl-C is for the parent, which ends its workers itself
        )
        self._send({"do": "start", "threads": threads, "seed": seed})

    def ready(self) -> None:
        """Wait until the process has imported what it needs; call it once, before the others."""
        self._receive(dict[str, Any])

    def prepare(self, case: Case) -> Prepared:
        """Build and warm up a case."""
        return self._ask({"do": "prepare", "case": case}, Prepared)

    def exact(self) -> Exact:
        """Measure the prepared case's exact figures."""
        return self._ask({"do": "exact"}, Exact)

    def time(self, calls: int, turn: int) -> float:
        """Seconds that `calls` calls of the prepared case take, on the `turn`-th core."""
        request = {"do": "time", "calls": calls, "turn": turn}
        return self._ask(request, dict[str, float])["seconds"]

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written has no reader
                    continue
        self._stderr.close()

    def _ask(self, request: dict[str, Any], kind: type[T]) -> T:
        self._send(request)
        return self._receive(kind)

    def _send(self, request: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise DybenchError("the worker has no pipes")
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self, kind: type[T]) -> T:
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise self._ended()
        answer = msgspec.json.decode(line, type=dict[str, Any])
        if "error" in answer:
            raise WorkerError(answer["error"])
        return msgspec.convert(answer, kind)

    def _ended(self) -> DybenchError:
        return DybenchError(f"a worker process ended by itself: {self._last_words()}")

    def _last_words(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"exit code {code}"


def _environment(sources: Sequence[Path], threads: int) -> dict[str, str]:
    path = [str(source) for source in sources]
    if inherited := os.environ.get("PYTHONPATH"):
        path.append(inherited)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
