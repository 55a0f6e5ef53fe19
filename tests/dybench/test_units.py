"""Formatting: what is shown is what was found, to the digits shown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dybench.units import (
    BYTES,
    FLOPS,
    SECONDS,
    choose_unit,
    decimals_for,
    format_count,
    format_fixed,
    format_interval,
    format_significant,
    format_spread,
)

NUMBERS = st.floats(1e-6, 1e9)


def read(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1769472, "0.1769"),
        (34.4, "34.40"),
        (8.4934656, "8.493"),
        (0.0589824, "0.05898"),
        (9.99996, "10.00"),  # rounds up into another digit
        (12345.6, "12,346"),  # digits before the point stay
        (0, "0"),
    ],
)
def test_four_significant_digits(value, text):
    assert format_significant(value, 4) == text


@given(NUMBERS, st.integers(1, 8))
def test_significant_digits_hold_the_value(value, digits):
    text = format_significant(value, digits)
    assert abs(float(read(text)) - value) <= value * 0.5 * 10 ** (1 - digits) * (1 + 1e-9)
    assert "e" not in text


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 3))
def test_the_interval_shown_contains_the_interval_found(a, b, c, decimals):
    low, middle, high = sorted((a, b, c))
    shown_low, shown_high = map(read, format_interval(low, high, decimals).split("–"))
    step = Decimal(1).scaleb(-decimals)
    assert shown_low <= Decimal(repr(low)) < shown_low + step
    assert shown_high - step < Decimal(repr(high)) <= shown_high
    assert shown_low <= read(format_fixed(middle, decimals)) <= shown_high


def test_an_interval_on_the_grid_is_shown_as_it_is():
    assert format_interval(1.1, 1.2, 2) == "1.10–1.20"


@given(NUMBERS, st.floats(0, 1), st.floats(0, 9))
def test_the_spread_is_never_understated(middle, below, above):
    low, high = middle * (1 - below), middle * (1 + above)
    percent = int(format_spread(middle, low, high).strip("±%"))
    reach = 100 * max(high - middle, middle - low) / middle
    assert reach - 1e-6 <= percent < reach + 1


def test_a_spread_beyond_all_bounds_stays_short():
    assert format_spread(1.0, 0.5, 100.0) == "±>999%"


def test_a_spread_of_nothing_has_no_percents():
    assert format_spread(0.0, 0.0, 0.0) == ""


def test_counts_have_thousands_separators():
    assert [format_count(n) for n in (0, 8224, 2360320, None)] == ["0", "8,224", "2,360,320", "–"]


@pytest.mark.parametrize(
    ("values", "ladder", "symbol"),
    [
        ([0.0057, 0.0089, 0.19], SECONDS, "ms"),
        ([20e-6, 40e-6, 3e-3], SECONDS, "µs"),
        ([30.0, 40.0, 0.1], SECONDS, "s"),
        ([59e6, 118e6], BYTES, "MB"),
        ([5_000, 80_000], BYTES, "kB"),
        ([None, 0, 176_947_200, 33_973_862_400], FLOPS, "G"),
        ([300_000, 900_000], FLOPS, "M"),
        ([512], FLOPS, ""),
        ([None, 0], FLOPS, "G"),  # nothing to choose by: what papers print
        ([], SECONDS, "ms"),
        ([], BYTES, "MB"),
    ],
)
def test_the_unit_suits_the_column(values, ladder, symbol):
    assert choose_unit(values, ladder).symbol == symbol


@pytest.mark.parametrize("ladder", [SECONDS, BYTES, FLOPS])
@given(value=st.floats(1e-7, 1e15))
def test_a_unit_never_hides_a_value_behind_zeros(ladder, value):
    unit = choose_unit([value], ladder)
    assert value / unit.size >= 0.01 or unit is ladder[-1]


def test_decimals_show_three_digits_of_the_smallest_but_no_endless_tail():
    assert decimals_for([8.93, 390.0]) == 2
    assert decimals_for([31.0, 390.0]) == 1
    assert decimals_for([0.646, 125.0]) == 2
    assert decimals_for([0.0312, 125.0]) == 3
    assert decimals_for([1200.0]) == 0
    assert decimals_for([]) == 2
