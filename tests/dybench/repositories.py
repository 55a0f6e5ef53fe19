"""Temporary git repositories with a tiny plug-in upsampler."""

from __future__ import annotations

import os
import subprocess

PLUGIN = """\
import torch
from torch import nn
from torch.nn import functional as F


class Up(nn.Module):
    def __init__(self, in_channels, scale=2):
        super().__init__()
        self.scale = scale
        self.mix = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        x = self.mix(x)
        # here
        return F.interpolate(x, scale_factor=self.scale, mode="nearest")
"""

CONFIG = """\
[tool.dybench]
upsamplers = ["up.py:Up"]
channels = [8]
sizes = ["12x12"]
"""


def planted(statement):
    """The plug-in with a statement more in its forward."""
    return PLUGIN.replace("# here", statement)


def git(folder, *words):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", *who, "-c", "commit.gpgsign=false", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(folder, plugin=PLUGIN, config=CONFIG):
    """A repository with one commit: the plug-in and its four lines of configuration."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {"up.py": plugin, "pyproject.toml": config}, "base")
    return folder


def commit(folder, files, message):
    """Write `files` and commit them; return the commit."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        git(folder, "add", name)
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")
