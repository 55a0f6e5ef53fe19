"""Writing files so that nothing saved is ever lost: write beside, then put in place in one step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dybench.errors import ReportError


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, in place of what was there.

    Raises:
        ReportError: if the folder or the file cannot be written.
    """
    try:
        beside = _write_beside(path, content)
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error


def create_new(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, only if nothing is there.

    Raises:
        ReportError: if something is there already, or it cannot be written.
    """
    try:
        beside = _write_beside(path, content)
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        os.link(beside, path)  # unlike a rename, a link never replaces
    except FileExistsError as error:
        raise ReportError(f"{path} exists already and is left as it is; name another") from error
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _write_beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside
