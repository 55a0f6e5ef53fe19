"""Throw-away checkouts of a git revision."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dybench.errors import DybenchError

if TYPE_CHECKING:
    from collections.abc import Iterator


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` and return what it prints.

    Raises:
        DybenchError: in one line, if git is not there or refuses.
    """
    # A hook's GIT_DIR or GIT_INDEX_FILE would point git at the wrong repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, no shell
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise DybenchError(f"cannot run git: {error.strerror or error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise DybenchError(f"git {arguments[0]} failed: {said[-1].removeprefix('fatal: ')}")
    return done.stdout.strip()


def root_of(folder: Path) -> Path:
    """The root of the repository that `folder` lies in.

    Raises:
        DybenchError: if it lies in none.
    """
    return Path(git(folder, "rev-parse", "--show-toplevel")).resolve()


def commit_of(repository: Path, revision: str) -> str:
    """The commit that `revision` names.

    Raises:
        DybenchError: if there is no such revision here.
    """
    try:
        return git(
            repository,
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{revision}^{{commit}}",
        )
    except DybenchError as error:
        raise DybenchError(
            f"no revision {revision!r} in {repository}; "
            "in GitHub Actions, check out with `fetch-depth: 0`"
        ) from error


def is_clean(repository: Path) -> bool:
    """Whether the working tree is what HEAD says, untracked files included."""
    return not git(repository, "status", "--porcelain")


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM too, which would otherwise clean nothing up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what signals do
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def checkout(repository: Path, revision: str, place: Path) -> Iterator[Path]:
    """Have `revision` checked out at `place`, which must not exist, while the block lasts.

    While it does, SIGTERM raises KeyboardInterrupt, so that nothing is left behind.

    Raises:
        DybenchError: if there is no such revision, or git refuses.
    """
    commit = commit_of(repository, revision)
    with _terminated_like_interrupted():
        try:
            git(repository, "worktree", "add", "--detach", "--quiet", str(place), commit)
            yield place
        finally:
            if place.exists():
                git(repository, "worktree", "remove", "--force", "--force", str(place))
