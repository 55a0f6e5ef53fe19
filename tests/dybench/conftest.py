"""What every test of the command line takes for granted."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _nothing_else_runs(monkeypatch) -> None:
    """Nobody else uses the machine, whatever runs beside the tests."""
    monkeypatch.setattr("dybench.machine.psutil.cpu_percent", lambda _seconds: 0.0)
