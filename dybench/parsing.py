"""From the words of a command line to values: comma lists, sizes, devices, dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

from dybench.case import Layout, Mode, Runtime
from dybench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

DTYPES = ("float32", "float16", "bfloat16", "float64")
LAYOUTS: tuple[str, ...] = get_args(Layout)
MODES: tuple[str, ...] = get_args(Mode)
RUNTIMES: tuple[str, ...] = get_args(Runtime)
LARGEST = 10**6  # of a channel count, a side or a batch: beyond it is a slip of the finger


def split(option: str, text: str, one: Callable[[str], T]) -> tuple[T, ...]:
    """Read a comma list, each entry by `one`, each value once.

    Raises:
        UsageError: if the list or one of its entries is empty, or `one` refuses it.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"`{option}` (={text!r}) must be a comma list without gaps")
    return tuple(dict.fromkeys(one(word) for word in words))


def positive(option: str, word: str) -> int:
    """Read an integer from 1 to a million."""
    try:
        value = int(word)
    except ValueError:
        raise UsageError(f"`{option}` (={word!r}) must be a positive integer") from None
    if value < 1:
        raise UsageError(f"`{option}` (={value}) must be at least 1")
    if value > LARGEST:
        raise UsageError(f"`{option}` (={value}) must be at most {LARGEST:,}")
    return value


def positives(option: str, text: str) -> tuple[int, ...]:
    """Read a comma list of positive integers."""
    return split(option, text, lambda word: positive(option, word))


def size(option: str, word: str) -> tuple[int, int]:
    """Read `HxW`, or one number for a square map."""
    height, x, width = word.lower().partition("x")
    if x and not (height and width):
        raise UsageError(f"`{option}` (={word!r}) must be HxW, as in 120x120")
    return positive(option, height), positive(option, width if x else height)


def sizes(option: str, text: str) -> tuple[tuple[int, int], ...]:
    """Read a comma list of sizes."""
    return split(option, text, lambda word: size(option, word))


def choices(option: str, text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Read a comma list of some of `allowed`."""

    def one(word: str) -> str:
        if word not in allowed:
            raise UsageError(f"`{option}` (={word!r}) must be one of {', '.join(allowed)}")
        return word

    return split(option, text, one)


def names(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Read upsamplers from an option that may be given several times, each time a comma list."""
    return tuple(dict.fromkeys(name for text in texts for name in split(option, text, str)))


def device(option: str, text: str) -> str:
    """Resolve `auto` to the best device there is, and check that any other exists."""
    import torch

    if text == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(text)
    except RuntimeError:
        raise UsageError(f"`{option}` (={text!r}) must be auto, cpu or cuda:N") from None
    if found.type not in ("cpu", "cuda"):
        raise UsageError(f"`{option}` (={text!r}) must be auto, cpu or cuda:N")
    if found.type == "cpu":
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = found.index or 0
    if index >= count:
        has = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device"
        raise UsageError(f"`{option}` (={text!r}): this machine has {has}")
    return f"cuda:{index}"
