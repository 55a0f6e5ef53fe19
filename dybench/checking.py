"""One `check`: which cases are held to what, with the measuring handed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from dybench import parsing
from dybench.baseline import TOLERANCES, Measured, check_baseline
from dybench.compare import Comparison, compare_reports
from dybench.errors import DybenchError, UsageError
from dybench.gate import Finding, judge_bouts, judge_outputs
from dybench.result import Measurement, Report, load

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dybench.case import Case
    from dybench.duel import Bout
    from dybench.gate import Only
    from dybench.settings import CheckSettings

NO_UPSAMPLER = "no upsampler to check: name some with -u or in [tool.dybench]"


class Measure(Protocol):
    """Measures cases here and now, as an old report was measured."""

    def __call__(self, cases: Sequence[Case], old: Report | None) -> Measured:
        """Measure `cases`."""


class Fight(Protocol):
    """Measures cases on two revisions."""

    def __call__(self, cases: Sequence[Case], *, timed: bool) -> list[Bout]:
        """Measure and judge `cases`."""


class Update(NamedTuple):
    """A baseline that was written, and how it and its outputs differ from the one before."""

    path: Path
    cases: int
    comparison: Comparison | None
    outputs: list[Finding]
    skipped: list[Measurement]


class Gate:
    """Checks against a stored report, another revision, or both.

    Args:
        settings: of the command line on top of pyproject.toml.
        only: one half of the gates; None for both.
        narrowed: axes of which only what the settings name is taken from the baseline.
        measure, fight: what measures. command: the command line, for reports.
    """

    def __init__(
        self,
        settings: CheckSettings,
        only: Only | None = None,
        *,
        measure: Measure,
        fight: Fight,
        narrowed: Collection[str] = (),
        command: str = "",
    ) -> None:
        self._settings, self._only, self._narrowed = settings, only, narrowed
        self._measure, self._fight, self._command = measure, fight, command
        self.cases = 0
        self.report: Report | None = None
        self.bouts: list[Bout] = []

    def run(self) -> list[Finding]:
        """Check against whatever there is to check against.

        Raises:
            DybenchError: if there is nothing to compare with, or no case in common.
            UsageError: if no upsampler is named.
        """
        settings = self._settings
        if not settings.baseline and not settings.against:
            raise DybenchError(
                "nothing to compare with: give --baseline FILE or --against REV, "
                "or set one in [tool.dybench]"
            )
        findings: list[Finding] = []
        if settings.baseline:
            findings += self._against_baseline(Path(settings.baseline))
        if settings.against:
            findings += self._against_revision()
        return findings

    def update(self) -> Update:
        """Measure, and write the baseline.

        Raises:
            UsageError: if there is no file to write, nothing to measure, or if latencies or cases
                that are held would go.
            DybenchError: if a case failed, or none could be measured.
        """
        if not self._settings.baseline:
            raise UsageError("--update-baseline needs --baseline FILE")
        path = Path(self._settings.baseline)
        old = load(path) if path.exists() else None
        cases = self._configured() or _cases_of(old)
        if not cases:
            raise UsageError(NO_UPSAMPLER)
        if self._only == "exact" and old and any(row.latency_s for row in old.measurements):
            raise UsageError(f"--only exact would drop the latencies of {path}: leave it out")
        if self._narrowed and (dropped := _missing(old, cases)):
            raise UsageError(f"that would drop {dropped} of {path}: leave out what narrows it")
        new, naive = self._measure(cases, old)
        bad = [row for row in new.measurements if row.status == "failed"]
        if bad or not any(row.status == "ok" for row in new.measurements):
            worst = (bad or new.measurements)[0]
            raise DybenchError(
                f"{path} is not written: {worst.case.upsampler} {worst.status}: {worst.reason}"
            )
        comparison, outputs = None, []
        if old is not None:
            comparison = compare_reports(old, new, self._settings.thresholds())
            outputs = judge_outputs(old, new, naive, TOLERANCES)
        new.save_over(path)
        skipped = [row for row in new.measurements if row.status != "ok"]
        return Update(path, len(cases), comparison, outputs, skipped)

    def _against_baseline(self, path: Path) -> list[Finding]:
        old = load(path)
        cases = [case for case in _cases_of(old) if self._asked_for(case)]
        if not cases:
            raise DybenchError(f"nothing to compare: {path} has none of the cases asked for")
        if self._only == "latency" and not any(row.latency_s for row in old.measurements):
            raise DybenchError(f"nothing to compare: {path} holds no latencies")
        for device in {case.device for case in cases}:
            parsing.device(f"device of {path}", device)

        def measure(some: Sequence[Case]) -> Measured:
            return self._measure(some, old)

        checked = check_baseline(old, cases, measure, self._settings.thresholds(), self._only)
        self.cases, self.report = len(cases), checked.report
        return checked.findings + self._unguarded(old)

    def _asked_for(self, case: Case) -> bool:
        """Whether a case of the baseline is among what the command line narrowed it to."""
        settings = self._settings
        sizes = [parsing.size("sizes", word) for word in settings.sizes or ()]
        wanted = {
            "upsamplers": case.upsampler in (settings.upsamplers or ()),
            "channels": case.channels in (settings.channels or ()),
            "scales": case.scale in (settings.scales or ()),
            "sizes": (case.height, case.width) in sizes,
        }
        return all(wanted[axis] for axis in self._narrowed)

    def _unguarded(self, old: Report) -> list[Finding]:
        """A warning for each configured case that the baseline does not hold."""
        if self._narrowed:
            return []
        held = {case.key for case in _cases_of(old)}
        text = "configured, and not in the baseline: accept it with --update-baseline"
        return [
            Finding(severity="warning", case=case, metric="status", text=text)
            for case in self._configured()
            if case.key not in held
        ]

    def _against_revision(self) -> list[Finding]:
        from dybench.against import report_of

        baseline = self._settings.baseline
        if baseline and self._only == "exact":
            return []
        # With a baseline, exact figures are held to it: there a change can be accepted.
        only: Only | None = "latency" if baseline else self._only
        cases = self._configured()
        if not cases and baseline:
            cases = _cases_of(load(Path(baseline)))
        if not cases:
            raise UsageError(NO_UPSAMPLER)
        bouts = self.bouts = self._fight(cases, timed=only != "exact")
        self.cases = max(self.cases, len(cases))
        if all(bout.foreign for bout in bouts):
            raise DybenchError(
                f"nothing to compare: the code of {cases[0].upsampler} is not of this repository "
                f"but of {bouts[0].foreign}"
            )
        if all("base" in bout.errors for bout in bouts):
            raise DybenchError(f"nothing to compare: on base, {bouts[0].errors['base']}")
        self.report = self.report or report_of(bouts, self._command)
        return judge_bouts(bouts, TOLERANCES, only)

    def _configured(self) -> list[Case]:
        cases = self._settings.gated()
        devices = {case.device: parsing.device("devices", case.device) for case in cases}
        return [msgspec.structs.replace(case, device=devices[case.device]) for case in cases]


def _missing(old: Report | None, cases: Sequence[Case]) -> str:
    """How many cases of `old` are not among `cases`, in words; empty if there are none."""
    kept = {case.key for case in cases}
    count = sum(case.key not in kept for case in _cases_of(old))
    return f"{count} {'case' if count == 1 else 'cases'}" if count else ""


def _cases_of(report: Report | None) -> list[Case]:
    return [row.case for row in report.measurements] if report is not None else []
