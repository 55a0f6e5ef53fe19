"""Upsamplers are found where the user named them, and nowhere else."""

import sys
from pathlib import Path

import pytest
from torch import nn

from dybench.errors import UsageError
from dybench.sources import resolve

PLUGIN = """
from torch import nn

class Twice(nn.Module):
    scales = (2,)

    def __init__(self, in_channels, scale=2, sharpness=1.0):
        super().__init__()
        self.up = nn.Upsample(scale_factor=scale)

    def forward(self, x):
        return self.up(x)

class NotAModule:
    pass
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN)
    return path


def test_a_name_of_the_catalogue() -> None:
    source = resolve("dysample+")
    assert not source.guided
    assert source.scales is None
    assert type(source.build(16, 3, {})).__name__ == "DySample"


def test_a_class_in_a_file(plugin: Path) -> None:
    source = resolve(f"{plugin}:Twice")
    assert source.scales == (2,)
    assert isinstance(source.build(8, 2, {}), nn.Module)
    assert resolve(f"{plugin}:Twice").make is source.make  # the file is run once


def test_a_class_in_a_module() -> None:
    assert resolve("torch.nn:Identity").make is nn.Identity


def test_a_module_beside_the_user(plugin: Path, monkeypatch) -> None:
    monkeypatch.chdir(plugin.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert resolve("plugin:Twice").scales == (2,)
    sys.modules.pop("plugin")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dysampel", "no upsampler is called 'dysampel'; did you mean 'dysample'?"),
        ("billinear", "did you mean 'bilinear'?"),
        ("zzz", "no upsampler is called 'zzz'; see `dybench list`"),
        (":Class", "must be written pkg.module:Class or file.py:Class"),
        ("module:", "must be written pkg.module:Class or file.py:Class"),
        ("no_such_module:Class", "cannot import 'no_such_module': no module named"),
        ("torch.nn:Upsampl", "torch.nn has no class 'Upsampl'; did you mean 'Upsample'?"),
        ("torch:ones", "torch:ones is no torch.nn.Module class"),
        ("torch.nn:functional", "torch.nn:functional is no torch.nn.Module class"),
        ("nowhere/plugin.py:Class", "no file nowhere/plugin.py"),
        ("..:Class", "failed|cannot import"),
    ],
)
def test_what_cannot_be_found_is_one_line(name: str, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)


def test_a_file_without_the_class(plugin: Path) -> None:
    with pytest.raises(UsageError, match="has no class 'Twic'; did you mean 'Twice'"):
        resolve(f"{plugin}:Twic")
    with pytest.raises(UsageError, match=r"NotAModule is no torch\.nn\.Module class"):
        resolve(f"{plugin}:NotAModule")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("raise RuntimeError('first\\nsecond')", "failed: RuntimeError: first$"),
        ("def broken(:", "failed: SyntaxError"),
        ("import no_such_package", "failed: ModuleNotFoundError"),
    ],
)
def test_a_file_that_does_not_import(content: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(UsageError, match=line):
        resolve(f"{path}:Class")


def test_a_scale_it_does_not_have_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"`scale` \(=3\) must be one of 2"):
        resolve("deconv").build(8, 3, {})
