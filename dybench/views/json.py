"""The table's data as JSON: the report itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dybench.result import Report


def render(report: Report) -> str:
    """The report as it is saved, samples and all."""
    return report.to_json().decode()
