"""Nothing saved is ever lost."""

from pathlib import Path

import pytest

from dybench.errors import ReportError
from dybench.files import create_new, replace


def test_create_new_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "a" / "report.json"
    create_new(path, b"first")
    with pytest.raises(ReportError, match="exists already and is left as it is"):
        create_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in path.parent.iterdir()] == ["report.json"]


def test_replace_leaves_the_old_file_when_writing_fails(tmp_path, monkeypatch) -> None:
    path = tmp_path / "report.json"
    replace(path, b"old")

    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(ReportError, match=r"cannot write .*No space left on device"):
        replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_replace_puts_the_new_in_place(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    replace(path, b"old")
    replace(path, b"new")
    assert path.read_bytes() == b"new"


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write"):
        create_new(tmp_path / "file" / "report.json", b"x")


def test_a_link_stays_a_link_to_the_new_content(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "report.json", tmp_path / "report.json"
    replace(real, b"old")
    link.symlink_to(real)
    replace(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "report.json"
    create_new(path, b"first")
    with pytest.raises(ReportError, match="exists already and is left as it is"):
        create_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
