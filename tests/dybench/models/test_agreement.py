"""Comparing a count with printed digits."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dybench.models.agreement import Counted, compare, note, reads_as
from dybench.published import Delta, HostModel, Printed


def in_print(digits, symbol):
    return Printed(Decimal(digits), {"K": 10**3, "M": 10**6, "G": 10**9}[symbol], symbol)


@pytest.mark.parametrize(
    ("counted", "digits", "symbol", "rounded", "truncated"),
    [
        (49_152, "49.2", "K", True, False),
        (32_768, "32.7", "K", False, True),  # the paper cut it off
        (32_768, "32.8", "K", True, False),
        (65_536, "65.5", "K", True, True),
        (12_601_344, "12.60", "M", True, True),
        (12_650_000, "12.6", "M", False, True),
        (12_550_000, "12.6", "M", True, False),  # a half is rounded up
        (79_992, "80", "K", True, False),
        (0, "0.00", "M", True, True),
        (4_999, "0.00", "M", True, True),
        (5_000, "0.00", "M", False, True),
    ],
)
def test_reads_as(counted, digits, symbol, rounded, truncated):
    printed = in_print(digits, symbol)
    assert reads_as(counted, printed) is rounded
    assert reads_as(counted, printed, truncated=True) is truncated


@given(st.integers(0, 10**12), st.integers(0, 5))
def test_what_is_printed_from_a_count_reads_as_it_and_the_next_digit_does_not(counted, places):
    step = Decimal(1).scaleb(-places)
    digits = (Decimal(counted) / 10**6).quantize(step)
    assert reads_as(counted, Printed(digits, 10**6, "M")) or (counted * 10**places) % 10**6 * 2 == (
        10**6
    )  # the quantize above rounds halves to even
    assert not reads_as(counted, Printed(digits + 2 * step, 10**6, "M"))


def counted(flops=10**9, params=(100_000,) * 4, weights=(90_000,) * 4, scale=2):
    return Counted(params, weights, flops, scale)


def host(*figures):
    main, *others = figures
    return HostModel(
        source="the paper", base=Delta(), stages="", delta={"up": main}, also={"up": others}
    )


def verdicts(what, *figures):
    return [comparison.verdict for comparison in compare(what, host(*figures), "up")]


def test_an_agreement_names_its_conditions():
    figures = [
        Delta(params_k=Decimal(400), gflops=Decimal("1.0")),
        Delta(params_k=Decimal(360), weights_only=True),
        Delta(params_m=Decimal("0.3"), weights_only=True, truncated=True),
        Delta(params_k=Decimal(300), modules=3),
        Delta(params_k=Decimal(480), module_params=120_000, note="their own form"),
    ]
    assert verdicts(counted(), *figures) == [
        "matches",
        "matches (weights only)",
        "matches (weights only, truncated)",
        "matches (with 3 modules)",
        "matches (their own form)",
    ]


def test_fewer_modules_leave_out_the_coarsest_stages():
    (comparison,) = compare(
        counted(params=(7, 1, 1, 1)), host(Delta(params_k=Decimal("0.003"), modules=3)), "up"
    )
    assert comparison.counted_params == 3
    assert comparison.params_match


def test_flops_counted_per_output_pixel_are_found_out():
    figure = Delta(params_k=Decimal(400), gflops=Decimal("34.4"), note="said elsewhere already")
    assert verdicts(counted(8_606_711_808), figure) == [
        "parameters match; FLOPs printed 4× too high: counted per output pixel; true value 8.61 G"
    ]
    assert verdicts(counted(3_825_205_248, scale=3), figure) == [
        "parameters match; FLOPs printed 9× too high: counted per output pixel; true value 3.83 G"
    ]


def test_a_disagreement_says_what_was_printed_and_counted():
    figure = Delta(params_k=Decimal(400), gflops=Decimal("5.3"))
    assert verdicts(counted(4_475_191_296), figure) == [
        "parameters match; published 5.3 G does not reproduce: 4.48 G"
    ]
    assert verdicts(counted(), Delta(params_m=Decimal("0.1"), gflops=Decimal(1))) == [
        "FLOPs match; published 0.1 M does not reproduce: 0.40 M"
    ]
    assert verdicts(counted(), Delta(params_m=Decimal("0.1"), note="a slip")) == [
        "published 0.1 M does not reproduce: 0.40 M; a slip"
    ]


def test_stages_of_several_scales_are_no_excuse_for_a_factor():
    figure = Delta(gflops=Decimal("34.4"))
    assert verdicts(counted(8_606_711_808, scale=None), figure) == [
        "published 34.4 G does not reproduce: 8.61 G"
    ]


def test_the_plain_numbers_of_a_comparison():
    figure = Delta(params_m=Decimal("12.60"), gflops=Decimal("30.65"), source="a README")
    (comparison,) = compare(counted(), host(figure), "up")
    assert (comparison.params, comparison.flops) == (12_600_000, 30_650_000_000)
    assert isinstance(comparison.params, int)
    assert (comparison.printed, comparison.source) == ("12.60 M, 30.65 G", "a README")
    assert (comparison.params_match, comparison.flops_match) == (False, False)


def test_nothing_published_is_no_comparison_and_no_note():
    assert compare(counted(), host(Delta()), "other") == []
    assert note([]) == ""


def test_a_note_passes_over_others_that_only_repeat_the_main_figure():
    main = Delta(params_k=Decimal(400))
    repeated = Delta(params_m=Decimal("0.4"), source="A")
    fewer = Delta(params_m=Decimal("0.3"), source="B", modules=3)
    wrong = Delta(params_m=Decimal("0.9"), source="C")
    text = note(compare(counted(), host(main, repeated, fewer, wrong), "up"))
    assert text == (
        "matches; B: 0.3 M matches (with 3 modules); C: published 0.9 M does not reproduce: 0.40 M"
    )
