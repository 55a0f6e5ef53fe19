"""The terminal table: legible at any width, with colour or without."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

from dybench.views.layout import shorten
from dybench.views.terminal import render
from tests.dybench.factories import make_cell, make_measurement, make_report
from tests.dybench.views.examples import NOTHING, example


def shown(report, width, **options):
    file = StringIO()
    render(report, Console(file=file, width=width, highlight=False, **options))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


SMALL = """\
Synthetic CPU, 2 threads, 2026-03-01 12:00

256 × 120 × 120, ×2, batch 1, float32, cpu, contiguous, inference
                              peak memory            latency                          mIoU
                       FLOPs          CPU             median         × bilinear  published
upsampler   params         G           MB           ms [95%]              [95%]          %
──────────────────────────────────────────────────────────────────────────────────────────
bilinear        0*  0.05898*        59.0*  8.90  [8.81–8.99]               1.00      41.68
dysample ★   8,224    0.1769         60.8  5.70* [5.64–5.76]  0.64* [0.62–0.66]     43.21*

*   best of its column, or not told apart from it by the 95% intervals
★   Pareto-optimal: latency against published mIoU
[ ] 95% interval
"""


def test_a_small_report_in_full():
    assert shown(make_report(make_cell(["bilinear", "dysample"])), 100) == SMALL


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 160, 200])
def test_every_row_of_the_full_report_fits_on_one_line(width):
    text = shown(make_report(), width)
    lines = text.splitlines()
    assert max(cell_len(line) for line in lines) <= width
    for row in make_report().measurements:
        starts = [
            line for line in lines if re.match(re.escape(row.case.upsampler) + r"(\s|$)", line)
        ]
        assert len(starts) == 1
        assert f"{row.latency_s.median * 1e3:.2f}" in starts[0]


def test_a_narrow_terminal_says_what_it_leaves_out():
    text = shown(make_report(), 60)
    assert "No room for: mIoU, interval ends, ± of latency." in text
    assert "2,360,320" in text
    assert "33.97" in text


def test_a_wide_terminal_leaves_out_nothing():
    text = shown(example(), 160)
    assert "No room" not in text
    assert "[5.64–5.76]" in text


def test_intervals_shrink_before_they_go():
    texts = {width: shown(make_report(), width) for width in (160, 80, 50)}
    assert ["[5.64–5.76]" in texts[w] for w in (160, 80, 50)] == [True, False, False]
    assert ["±1%" in texts[w] for w in (160, 80, 50)] == [False, True, False]


def test_what_is_left_out_is_left_out_of_every_cell():
    wide = make_cell(["pixelshuffle"], height=240, width=240)
    text = shown(make_report(make_cell(["bilinear"]) + wide), 60)
    heads = [line.split() for line in text.splitlines() if line.startswith("upsampler")]
    assert heads[0] == heads[1]


def test_problems_stand_with_the_rows_and_wrap_at_words():
    text = shown(example(), 60)
    assert re.search(r"^deconv +skipped: `scale` \(=3\) must be 2", text, re.M)
    assert re.search(r"^carafe +out of memory: 4 GB$", text, re.M)
    assert re.search(r"^ +\S+", text, re.M)


def test_footnotes_and_legend():
    text = shown(example(), 120)
    assert "sapa-b¹ (g)" in text
    assert "¹ wide spread: close other programs" in text
    assert "1.000†" in text
    assert "† not counted in my_pkg.ups:My_Up: aten::foo (3×)" in text
    for mark in ("*  ", "★  ", "◆  ", "(g)", "†  "):
        assert re.search(rf"^{re.escape(mark)} ", text, re.M)


def test_names_with_brackets_are_no_markup():
    text = shown(make_report([make_measurement("[red]x[/red]")]), 80)
    assert "[red]x[/red]" in text


def test_long_names_keep_their_end():
    name = "a_package.of_many.modules.that_nest:TheUpsampler"
    text = shown(make_report([make_measurement(name)]), 60)
    assert re.search(r"^…\S*TheUpsampler ", text, re.M)


def test_best_is_marked_with_a_sign_and_in_colour():
    report = make_report(make_cell(["bilinear", "dysample"]))
    plain, coloured = shown(report, 120), shown(report, 120, force_terminal=True)
    assert "\x1b" not in plain
    assert "\x1b[1;32m5.70*\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).split() == plain.split()


def test_no_colour_when_none_is_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(make_report(), 120, force_terminal=True)
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", text)


def test_a_cell_in_which_nothing_worked():
    row = make_measurement("deconv", status="failed", reason="it broke", **NOTHING)
    assert "deconv     failed: it broke" in shown(make_report([row]), 80)


def test_no_measurements_and_an_unfinished_run_are_said():
    text = shown(make_report([], complete=False), 80)
    assert "No measurements in this report." in text
    assert "Incomplete: the run did not finish." in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dysample", "dysample"),
        ("package.module:UpsamplerOfMine", "…e:UpsamplerOfMine"),
        ("my folder/with spaces/up.py:UpsamplerOfMine", "…y:UpsamplerOfMine"),
        ("fade guide_channels=32", "fade guide_channe…"),
    ],
)
def test_what_tells_a_name_from_others_is_kept(name, shown):
    assert shorten(name, 18) == shown
