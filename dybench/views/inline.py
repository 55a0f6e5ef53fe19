"""Sentences with `code` in them, as errors have it, taken apart for formats that mark code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CODE = re.compile(r"`([^`]+)`")


def convert(text: str, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    """`text` on one line: `code` for what stands between backticks, `plain` for the rest."""
    pieces = _CODE.split(" ".join(text.split()))
    return "".join(code(piece) if i % 2 else plain(piece) for i, piece in enumerate(pieces))
