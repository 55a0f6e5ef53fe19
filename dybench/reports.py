"""Finding saved reports."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from dybench.errors import ReportError
from dybench.result import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path


class _Head(msgspec.Struct):
    """What tells a report of a run from other JSON, without reading its rows."""

    schema: str
    created: str
    command: str
    measurements: msgspec.Raw


def newest_report(folder: Path) -> Path:
    """The report in `folder` that was created last; other JSON (baselines, exports) is passed over.

    So is a report without rows: that of a run which is in its first case, or was killed there.

    Raises:
        ReportError: if there is none.
    """
    dated = [(when, path) for path in folder.glob("*.json") if (when := _created(path)) is not None]
    if not dated:
        raise ReportError(f"no report in {folder}/: run `dybench run` first")
    return max(dated)[1]


def _created(path: Path) -> datetime | None:
    """When the report at `path` was created; None if it is no report of a run with rows."""
    try:
        head = msgspec.json.decode(path.read_bytes(), type=_Head)
        rows = bytes(head.measurements)
        has_rows = rows.startswith(b"[") and rows[1:-1].strip()
        if head.schema != SCHEMA or not has_rows or head.command.startswith("dybench check"):
            return None
        when = datetime.fromisoformat(head.created.replace("Z", "+00:00"))
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)
