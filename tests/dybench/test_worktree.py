"""Throw-away checkouts leave nothing behind."""

import pytest

from dybench.against import trees
from dybench.errors import DybenchError
from dybench.worktree import checkout, commit_of, is_clean, root_of
from tests.dybench.repositories import PLUGIN, commit, git, make_repository, planted


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "repository")


def worktrees(repository):
    return git(repository, "worktree", "list", "--porcelain").count("worktree ")


def test_a_checkout_has_the_revision_and_goes_away(repository, tmp_path):
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, {"up.py": planted("x = x.clone()")}, "second")
    place = tmp_path / "place"
    with checkout(repository, first, place) as tree:
        assert (tree / "up.py").read_text(encoding="utf-8") == PLUGIN
        (tree / "rubbish.txt").write_text("left by a build", encoding="utf-8")
        assert worktrees(repository) == 2
    assert not place.exists()
    assert worktrees(repository) == 1
    assert git(repository, "branch", "--list") == "* main"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_it_goes_away_whatever_happens(repository, tmp_path, error):
    with pytest.raises(error), checkout(repository, "HEAD", tmp_path / "place"):
        raise error
    assert worktrees(repository) == 1


def test_unknown_revision_and_no_repository(repository, tmp_path):
    with pytest.raises(DybenchError, match=r"no revision 'nope'.*fetch-depth: 0"):
        commit_of(repository, "nope")
    with pytest.raises(DybenchError, match="no revision '--help'"):
        commit_of(repository, "--help")
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(DybenchError, match="not a git repository"):
        root_of(outside)


def test_a_hooks_environment_does_not_mislead(repository, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert root_of(repository) == repository.resolve()


def test_a_clean_tree_is_checked_out_and_a_changed_one_stands_for_itself(repository):
    with trees(repository, "HEAD") as both:
        assert both.head_is_checkout
        assert both.head != repository
        assert both.owns("head", str(both.head / "up.py"))
        assert not both.owns("head", str(repository / "up.py"))
        assert both.owns("control", str(both.base / "up.py"))
    (repository / "new.py").write_text("", encoding="utf-8")
    assert not is_clean(repository)
    with trees(repository, "HEAD") as both:
        assert both.head == repository.resolve()
    assert worktrees(repository) == 1


def test_worktrees_of_the_user_are_left_alone(repository, tmp_path):
    """Those as well whose folder is not there for the moment."""
    mine, away = tmp_path / "mine", tmp_path / "away"
    git(repository, "worktree", "add", "--detach", "--quiet", str(mine))
    mine.rename(away)
    with checkout(repository, "HEAD", tmp_path / "place"):
        pass
    away.rename(mine)
    assert git(mine, "status", "--porcelain") == ""
    assert worktrees(repository) == 2
