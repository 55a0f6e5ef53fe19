"""The study of `check` as a Markdown table."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from dybench.units import MISSING
from dybench.views.markdown import pipe_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.study import Study, Trial

HEADER = ("machine", "planted", "caught", "unclear", "estimate", "one check")
EXACT = ("allocation", "convolution", "product")


def render(study: Study) -> str:
    """How often each planted change was caught, what it was estimated at, how long it took."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in sorted(study.trials, key=lambda t: (t.setting.condition != "idle", t.setting)):
        groups.setdefault((trial.setting.condition, _planted(trial)), []).append(trial)
    rows = [
        [condition, planted, *_figures(trials)] for (condition, planted), trials in groups.items()
    ]
    cell = f"{study.channels}×{study.side}×{study.side} ×2 float32"
    made = f"`python -m dybench.study`: {study.upsampler}, {cell}, {_machine(study)}."
    table = pipe_table(list(HEADER), rows, words=("machine", "planted"))
    parts = [made, table]
    if (repeat := study.repeat) is not None:
        apart = f"{repeat.median:.1%} in the median of {repeat.rows} rows, {repeat.largest:.1%}"
        parts.append(
            "`dybench run --channels 256 --scale 2` twice: "
            f"relative latencies differ by {apart} at most."
        )
    return "\n\n".join(parts) + "\n"


def _planted(trial: Trial) -> str:
    if trial.setting.kind == "same":
        return "nothing (A/A)"
    if trial.setting.kind in EXACT:
        return f"one {trial.setting.kind} more"
    return f"{trial.setting.slowdown:.0%} slower"


def _figures(trials: Sequence[Trial]) -> list[str]:
    caught = sum(trial.exit_code == 3 for trial in trials)
    unclear = sum(trial.exit_code != 3 and trial.verdict == "unclear" for trial in trials)
    ratios = [trial.ratio.estimate for trial in trials if trial.ratio is not None]
    estimate = MISSING
    if ratios:
        low, middle, high = (f"{100 * (x - 1):+.1f}" for x in _range(ratios))
        estimate = f"{middle} % ({low} to {high})"
    seconds = f"{median(trial.seconds for trial in trials):.0f} s"
    return [f"{caught} of {len(trials)}", str(unclear), estimate, seconds]


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), median(values), max(values)


def _machine(study: Study) -> str:
    machine = study.machine
    packages = machine.get("packages") or {}
    return ", ".join(
        [
            str(machine.get("cpu", "an unknown processor")),
            f"{machine.get('logical_cores', '?')} cores",
            f"torch {packages.get('torch', '?')}",
        ]
    )
