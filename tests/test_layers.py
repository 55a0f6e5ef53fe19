"""The rules of the house: who may import whom, and what must not be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHOWING = {"typer", "rich", "pandas", "matplotlib", "textalloc"}


def imported(path: Path) -> set[str]:
    """Names of modules that the file imports anywhere, type checking apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def files(*patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert found, patterns
    return found


def test_dysample_never_imports_dybench() -> None:
    for path in files("dysample/**/*.py"):
        assert "dybench" not in roots(path), path


def test_measuring_knows_nothing_of_showing() -> None:
    paths = files(
        *("dybench/case.py", "dybench/result.py", "dybench/statistics.py"),
        *("dybench/runner.py", "dybench/measure/*.py"),
    )
    for path in paths:
        assert not roots(path) & SHOWING, path


def test_views_never_measure() -> None:
    measuring = (
        "dybench.measure",
        "dybench.runner",
        "dybench.subject",
        "torch",
        "dysample.modules",
    )
    for path in files("dybench/views/**/*.py"):
        names = imported(path)
        assert not [name for name in names if name.startswith(measuring)], path


def test_only_the_house_files_are_at_the_top() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "dysample", "dybench", "results", "tests"}
    assert {name for name in top if not name.startswith(".")} <= allowed


def loaded_after(code: str, *modules: str) -> set[str]:
    """Those of `modules` that a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nprint(*(m for m in {modules!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = ("torch", "matplotlib", "pandas", "numpy", "fvcore", "scipy")


def test_help_loads_nothing_heavy() -> None:
    help_of_all = "from dybench.cli import main\nmain(['--help'])\nmain(['run', '--help'])"
    assert loaded_after(help_of_all, *HEAVY) == set()


def test_the_test_above_can_fail() -> None:
    assert loaded_after("import torch, pandas", *HEAVY) >= {"torch", "pandas", "numpy"}


def test_importing_dysample_loads_torch_alone() -> None:
    others = ("triton", "dybench", "fvcore", "matplotlib", "pandas", "rich", "typer", "onnx")
    assert loaded_after("import dysample", "torch", *others) == {"torch"}
