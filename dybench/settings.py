"""`[tool.dybench]` of pyproject.toml: which cases `check` gates, and what counts as slower."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from dybench import parsing
from dybench.case import Case, Grid, Layout, Mode, Runtime
from dybench.errors import UsageError
from dybench.verdict import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SECTION = "[tool.dybench]"
# On a shared runner a neighbour stalls the slowest of many threads, and with it all of them.
GATE_THREADS = 1
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Axes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What a table may say of the grid; None leaves what the table around it says."""

    upsamplers: list[str] | None = None
    channels: list[int] | None = None
    sizes: list[str] | None = None
    scales: list[int] | None = None
    batches: list[int] | None = None
    dtypes: list[str] | None = None
    devices: list[str] | None = None
    layouts: list[Layout] | None = None
    modes: list[Mode] | None = None
    runtimes: list[Runtime] | None = None


class CheckSettings(Axes, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The whole table.

    Attributes:
        cases: further grids, each an `Axes` on top of this table's own.
        baseline: the stored report. against: the revision to measure against.
        budget: time for `check`, as `10m`.
        slower_than, floor, between_runs, elsewhere, confidence: percentages, as `5%`; see
            `dybench.verdict.Thresholds`.
        threads: torch's threads within an operator.
        source: folders of the repository, before all others on the import path.
    """

    cases: list[Axes] = []
    baseline: str | None = None
    against: str | None = None
    budget: str = "10m"
    slower_than: str | float = "4%"
    floor: str | float | None = None
    between_runs: str | float = "20%"
    elsewhere: str | float = "30%"
    confidence: str | float = "99%"
    threads: int | None = None
    strict: bool = False
    source: tuple[str, ...] = (".", "src")

    def thresholds(self) -> Thresholds:
        """The thresholds, percentages read.

        Raises:
            UsageError: if one makes no sense.
        """
        slower_than, floor = percentage("slower-than", self.slower_than), Thresholds().floor
        floor = min(floor, slower_than) if self.floor is None else percentage("floor", self.floor)
        if floor > slower_than:
            raise UsageError(
                f"`floor` (={self.floor!r}) must not be above `slower-than` "
                f"(={self.slower_than!r}): nothing between them would ever be called slower"
            )
        return Thresholds(
            slower_than=slower_than,
            floor=floor,
            between_runs=percentage("between-runs", self.between_runs),
            elsewhere=percentage("elsewhere", self.elsewhere),
            confidence=percentage("confidence", self.confidence, below=100.0),
        )

    def gated(self) -> list[Case]:
        """The cases of this table's grid and of `cases`, each once; none if it names no upsampler.

        Raises:
            UsageError: if an axis is wrong.
        """
        own = {name: getattr(self, name) for name in Axes.__struct_fields__}
        found = {}
        for axes in self.cases or [Axes()]:
            given = {k: v for k, v in msgspec.structs.asdict(axes).items() if v is not None}
            found.update({case.key: case for case in _cases(own | given)})
        return list(found.values())


def find_pyproject(folder: Path) -> Path | None:
    """The nearest pyproject.toml in `folder` or above it."""
    places = (place / "pyproject.toml" for place in (folder, *folder.parents))
    return next((path for path in places if path.is_file()), None)


def load_settings(folder: Path) -> CheckSettings:
    """Read `[tool.dybench]` of the nearest pyproject.toml; the defaults where there is none.

    Raises:
        UsageError: in one line, if the file or the table is wrong.
    """
    path = find_pyproject(folder)
    if path is None:
        return CheckSettings()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("dybench", {})
        found = msgspec.convert(table, CheckSettings)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}, {SECTION}: {error}") from error
    if found.threads is not None:
        parsing.positive("threads", str(found.threads))
    return found


def percentage(name: str, value: str | float, below: float = 1000.0) -> float:
    """Read `5%`, `5` or 5.0 as 0.05.

    Raises:
        UsageError: if it is no number above 0 and under `below` percent.
    """
    try:
        number = float(str(value).strip().removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 < number < below:
        raise UsageError(f"`{name}` (={value!r}) must be a percentage above 0, as in 5%")
    return number / 100


def seconds(name: str, text: str) -> float:
    """Read `90s`, `10m`, `1h` or a plain number of seconds.

    Raises:
        UsageError: if it is none of these, or not above 0.
    """
    word = text.strip().lower()
    unit = SECONDS.get(word[-1:], 0.0)
    try:
        number = float(word[:-1] if unit else word) * (unit or 1.0)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise UsageError(f"`{name}` (={text!r}) must be a time above 0, as in 90s or 10m")
    return number


def _cases(axes: dict[str, Any]) -> Sequence[Case]:
    if not axes["upsamplers"]:
        return []
    for name, allowed in (("dtypes", parsing.DTYPES),):
        for word in axes[name] or ():
            if word not in allowed:
                raise UsageError(f"`{name}` (={word!r}) must be one of {', '.join(allowed)}")
    for name in ("channels", "scales", "batches"):
        for number in axes[name] or ():
            parsing.positive(name, str(number))
    given = {k: v for k, v in axes.items() if v is not None and k != "sizes"}
    sizes = [parsing.size("sizes", word) for word in axes["sizes"] or ["64x64"]]
    grid = Grid(**{"channels": [64], **given}, sizes=sizes)
    return [case for cell in grid.cells() for case in grid.cases(cell)]
