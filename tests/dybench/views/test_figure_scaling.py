"""Scaling: exponents are those of the data, and every point is where it was measured."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dybench.errors import ReportError, UsageError
from dybench.views.figure.scaling import draw_scaling, fit_exponent
from dybench.views.figure.select import parse_filter
from tests.dybench.factories import make_cell, make_measurement, make_report


def figure_of(*arguments, **options):
    return draw_scaling(*arguments, **options).figure


def grid(names=("bilinear", "carafe", "dysample")):
    return [
        row
        for channels in (64, 128, 256)
        for size in (60, 120, 240)
        for row in make_cell(names, channels=channels, height=size, width=size)
    ]


def power_law(exponent):
    return [
        make_measurement("carafe", height=size, width=size, latency=1e-6 * (size**2) ** exponent)
        for size in (32, 64, 128)
    ]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.25])
def test_the_exponent_is_that_of_the_data(exponent):
    x = [10.0, 35.0, 200.0]
    assert fit_exponent(x, [3 * v**exponent for v in x]) == pytest.approx(exponent)
    figure = figure_of(make_report(power_law(exponent)), y="latency")
    [text] = figure.axes[0].get_legend().get_texts()
    assert text.get_text() == f"{exponent:.2f}  CARAFE"


def test_four_panels_on_log_axes():
    figure = figure_of(make_report(grid()))
    assert len(figure.axes) == 4
    assert {(a.get_xscale(), a.get_yscale()) for a in figure.axes} == {("log", "log")}
    assert {a.get_ylabel() for a in figure.axes} == {"latency (ms)", "peak memory (MB)"}
    assert {a.get_xlabel() for a in figure.axes} == {"low-resolution pixels", "channels"}
    assert all(len(a.get_lines()) == 3 for a in figure.axes)


def test_points_are_where_they_were_measured():
    figure = figure_of(make_report(grid(["carafe"])), x="pixels", y="latency")
    [line] = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [3600, 14400, 57600]
    assert list(line.get_ydata()) == pytest.approx([10.25, 41.0, 164.0])


def test_everything_else_is_held():
    rows = grid(["carafe"]) + make_cell(["carafe"], channels=512, dtype="float16")
    figure = figure_of(make_report(rows), x="channels", y="latency")
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [64, 128, 256]


def test_panels_with_one_point_are_left_out_and_named():
    rows = make_cell(["carafe"], channels=64) + make_cell(["carafe"], channels=128)
    drawing = draw_scaling(make_report(rows))
    assert len(drawing.figure.axes) == 2
    expected = "fewer than two points of latency against pixels, peak memory against pixels"
    assert drawing.notes == (expected,)


def test_one_point_is_no_scaling():
    with pytest.raises(ReportError, match="run with `--size 60x60,120x120`"):
        figure_of(make_report())


def test_rows_that_failed_are_no_points():
    rows = [*power_law(1.0), make_measurement("carafe", height=256, width=256, status="timeout")]
    drawing = draw_scaling(make_report(rows), y="latency")
    assert len(drawing.figure.axes[0].get_lines()[0].get_xdata()) == 3
    assert "not measured: CARAFE (timeout)" in drawing.notes


def test_an_unknown_axis_is_refused():
    with pytest.raises(UsageError, match=r"`--x` .='batch'. must be pixels or channels"):
        figure_of(make_report(grid()), x="batch")


def test_a_filter_holds_one_more_thing():
    figure = figure_of(make_report(grid(["carafe"])), cell=parse_filter("channels=64"))
    assert {a.get_xlabel() for a in figure.axes} == {"low-resolution pixels"}
    assert "64 channels" in " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("names", [("carafe",), None])
def test_legends_overlap_nothing(names):
    rows = grid() if names else [r for c in (64, 256) for r in make_cell(channels=c)]
    figure = figure_of(make_report(rows))
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    frames = [a.get_window_extent(renderer) for a in figure.axes]
    legends = [a.get_legend().get_window_extent(renderer) for a in figure.axes]
    for legend in legends:
        assert legend.x0 >= 0
        assert legend.x1 <= width
        assert legend.y1 <= height
        assert not any(legend.overlaps(frame) for frame in frames)


def test_two_reports_give_two_lines_each():
    later = make_report(grid(["carafe"]), created="2026-04-01T00:00:00Z")
    figure = figure_of([make_report(grid(["carafe"])), later], x="pixels", y="latency")
    texts = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
    assert texts == {"1.00  CARAFE [A]", "1.00  CARAFE [B]"}
