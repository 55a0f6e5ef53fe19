"""Writing files so that nothing saved is ever lost: write beside, then put in place in one step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dybench.errors import ReportError


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, in place of what was there; a link stays a link.

    Raises:
        ReportError: if the folder or the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        beside = _write_beside(target, content)
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        beside.replace(target)
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
        _put_new(beside, path)
    except FileExistsError as error:
        raise ReportError(f"{path} exists already and is left as it is; name another") from error
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _put_new(beside: Path, path: Path) -> None:
    """Put `beside` at `path` without replacing anything, which a rename would."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name first, then what it names
        path.touch(exist_ok=False)
        beside.replace(path)


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
