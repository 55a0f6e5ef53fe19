"""Numbers as people read them: one unit for a whole column, honest digits, no exponents."""

from __future__ import annotations

import math
import statistics
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MISSING = "–"


class Unit(NamedTuple):
    """A unit of a column: `size` of it in SI, used where the middle value is at least `since`."""

    symbol: str
    size: float
    since: float


# MB, G and ms are what the papers print, so each reaches a little further than it must.
SECONDS = (Unit("s", 1.0, 10.0), Unit("ms", 1e-3, 1e-4), Unit("µs", 1e-6, 0.0))
BYTES = (Unit("GB", 1e9, 1e10), Unit("MB", 1e6, 1e5), Unit("kB", 1e3, 1e3), Unit("B", 1.0, 0.0))
FLOPS = (Unit("T", 1e12, 1e13), Unit("G", 1e9, 1e7), Unit("M", 1e6, 1e4), Unit("", 1.0, 0.0))


def choose_unit(values: Iterable[float | None], ladder: Sequence[Unit]) -> Unit:
    """The unit of `ladder` in which a column of `values` reads best; None and 0 have no say."""
    known = [value for value in values if value]
    if not known:
        return ladder[1]  # what the papers print
    middle = statistics.median(known)
    return next((unit for unit in ladder if middle >= unit.since), ladder[-1])


def format_count(value: int | None) -> str:
    """A whole number with thousands separators: `8,224`."""
    return MISSING if value is None else f"{value:,}"


def format_significant(value: float, digits: int) -> str:
    """`value` with at least `digits` significant digits, never with an exponent: `0.1769`, `34.40`.

    Digits before the point are never rounded away, and zero is `0`.
    """
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that show three digits of the smallest of `values`.

    Two at the most while that leaves it two digits, three at the most after: the others need
    no endless tail for its sake.
    """
    smallest = min((abs(value) for value in values if value), default=1.0)
    most = 2 if smallest >= 0.1 else 3
    return min(most, max(0, 2 - math.floor(math.log10(smallest))))


def format_fixed(value: float, decimals: int) -> str:
    """`value` rounded to `decimals`, with thousands separators."""
    return f"{value:,.{decimals}f}"


def format_interval(low: float, high: float, decimals: int) -> str:
    """`low–high`, rounded outwards, so that what is shown contains what was found."""
    step = Decimal(1).scaleb(-decimals)
    down = Decimal(repr(float(low))).quantize(step, ROUND_FLOOR)
    up = Decimal(repr(float(high))).quantize(step, ROUND_CEILING)
    return f"{down:,f}–{up:,f}"


def format_spread(middle: float, low: float, high: float) -> str:
    """`±2%`: how far the interval reaches from its middle, rounded up to whole percents."""
    if middle <= 0:
        return ""
    percent = math.ceil(max(high - middle, middle - low) / middle * 100 - 1e-9)
    return f"±{percent}%" if percent < 1000 else "±>999%"
