"""What a figure shows: upsamplers chosen by name."""

import pytest

from dybench.errors import UsageError
from dybench.views.figure.bars import draw_bars
from dybench.views.figure.complexity import draw_complexity
from dybench.views.figure.scaling import draw_scaling
from dybench.views.figure.select import distinct_titles, parse_filter
from tests.dybench.factories import make_cell, make_measurement, make_report


def names_in_bars(report, text):
    figure = draw_bars(report, cell=parse_filter(text)).figure
    return {label.get_text() for label in figure.axes[0].get_yticklabels()}


@pytest.mark.parametrize(
    "text",
    [
        "upsampler=carafe,fade",
        "upsampler=carafe,upsampler=fade",
        "channels=256,upsampler=carafe, fade,dtype=float32",
        "upsampler=CARAFE,FADE",
    ],
)
def test_upsamplers_are_chosen(text):
    assert names_in_bars(make_report(), text) == {"CARAFE", "FADE"}


def test_a_plug_in_is_chosen_by_its_path_or_its_class():
    report = make_report([make_measurement(n) for n in ("a.py:Mine", "b.py:Mine", "carafe")])
    assert names_in_bars(report, "upsampler=b.py:Mine") == {"Mine"}
    assert names_in_bars(report, "upsampler=Mine") == {"Mine", "Mine #2"}


def test_a_name_in_full_comes_before_a_class_of_that_name():
    report = make_report([make_measurement(n) for n in ("dysample", "a.py:dysample")])
    assert names_in_bars(report, "upsampler=dysample") == {"DySample"}


def test_every_kind_takes_upsamplers():
    rows = [row for c in (64, 256) for row in make_cell(["carafe", "fade"], channels=c)]
    wanted = parse_filter("upsampler=fade,channels=256")
    drawn = draw_complexity(make_report(rows), cell=wanted).figure.axes[0].texts
    assert [text.get_text() for text in drawn] == ["FADE"]
    figure = draw_scaling(make_report(rows), cell=parse_filter("upsampler=fade")).figure
    assert all(len(plot.get_lines()) == 1 for plot in figure.axes)


def test_an_unknown_upsampler_gets_the_nearest_name():
    wanted = parse_filter("upsampler=carafe,dysampel")
    with pytest.raises(UsageError, match=r"'upsampler=dysampel'. names .* mean 'dysample'"):
        draw_bars(make_report(), cell=wanted)
    with pytest.raises(UsageError, match="there is nearest, bilinear"):
        draw_bars(make_report(), cell=parse_filter("upsampler=qqq"))


def test_no_two_names_are_the_same_text():
    middles = [f"{n:02}" for n in range(30)]
    names = [f"m.py:{'A' * 25}{middle}{'Z' * 25}" for middle in middles]
    titles = distinct_titles(
        make_measurement(name).case for name in [*names, "p.py:Mine", "q.py:Mine"]
    )
    assert len(set(titles.values())) == len(names) + 2
