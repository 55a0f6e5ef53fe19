"""Scaling: exponents are those of the data, and every point is where it was measured."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from msgspec.structs import replace

from dybench.errors import ReportError, UsageError
from dybench.views.figure.scaling import draw_scaling, fit_exponent
from dybench.views.figure.select import parse_filter
from tests.dybench.factories import TYPICAL, make_cell, make_measurement, make_report


def figure_of(*arguments, **options):
    return draw_scaling(*arguments, **options).figure


def grid(names=("bilinear", "carafe", "dysample")):
    return [
        row
        for channels in (64, 128, 256)
        for size in (60, 120, 240)
        for row in make_cell(names, channels=channels, height=size, width=size)
    ]


def renamed(rows, name):
    return [replace(row, case=replace(row.case, upsampler=name)) for row in rows]


def on_cuda(rows):
    """The same rows on a GPU, ten times as fast."""
    return [
        make_measurement(
            row.case.upsampler,
            latency=row.latency_s.median / 10,
            channels=row.case.channels,
            height=row.case.height,
            width=row.case.width,
            device="cuda:0",
        )
        for row in rows
    ]


def legend(figure, panel=0):
    return {text.get_text() for text in figure.axes[panel].get_legend().get_texts()}


def caption(figure):
    return " ".join(text.get_text() for text in figure.texts)


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


LONG = "pkg.module:AVeryLongNameOfAnUpsampler{}ThatNoOneWouldEverTypeInFull"
LEGENDS = {
    "usual": grid(),
    "all": grid(TYPICAL),
    "26 characters": grid(["carafe"]) + renamed(grid(["fade"]), "m.py:" + "W" * 26),
    "alike": [r for n in range(9) for r in renamed(grid(["fade"]), LONG.format(n))],
    "slow and large": [
        make_measurement("fade", channels=c, height=s, width=s, latency=f, memory=int(f * 1e9))
        for c in (64, 128)
        for s, f in ((60, 1.0), (120, 900.0))
    ],
}


@pytest.mark.parametrize("case", LEGENDS)
@pytest.mark.parametrize("axis", [None, "pixels"])
def test_legends_overlap_nothing(case, axis):
    figure = figure_of(make_report(LEGENDS[case]), x=axis)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, height = figure.get_size_inches() * figure.dpi
    legends = [a.get_legend().get_window_extent(renderer) for a in figure.axes]
    written = [
        text.get_window_extent(renderer)
        for a in figure.axes
        for text in (a.xaxis.label, a.yaxis.label, *a.get_xticklabels(), *a.get_yticklabels())
    ]
    frames = [a.get_window_extent(renderer) for a in figure.axes]
    for number, legend in enumerate(legends):
        others = [*frames, *written, *legends[:number], *legends[number + 1 :]]
        assert not any(legend.overlaps(other) for other in others)
    for box in [*legends, *written]:
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
    assert all(frame.width >= 120 * figure.dpi / 72 for frame in frames)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(set(texts)) == len(texts) == len(figure.axes[0].get_lines())


def test_short_names_leave_the_page_as_wide_as_text():
    assert figure_of(make_report(LEGENDS["all"])).get_size_inches()[0] == 7
    assert figure_of(make_report(LEGENDS["alike"]), x="pixels").get_size_inches()[0] == 7


def test_uncounted_flops_are_marked():
    rows = [
        replace(row, flops_unsupported={"aten::fft": 1} if row.case.channels == 64 else {})
        for row in grid(["carafe"])
    ]
    drawing = draw_scaling(make_report(rows), x="channels", y="flops")
    assert legend(drawing.figure) == {"1.00  CARAFE†"}
    note = "† a lower bound: some operators were not counted (CARAFE: aten::fft)"
    assert drawing.notes == (note,)
    assert draw_scaling(make_report(rows), y="latency").notes == ()


def test_two_reports_give_two_lines_each():
    later = make_report(grid(["carafe"]), created="2026-04-01T00:00:00Z")
    figure = figure_of([make_report(grid(["carafe"])), later], x="pixels", y="latency")
    assert legend(figure) == {"1.00  CARAFE [A]", "1.00  CARAFE [B]"}


def test_lines_of_several_reports_have_letters_in_every_panel():
    pixels = make_report([r for r in grid(["carafe"]) if r.case.channels == 64])
    channels = make_report([r for r in grid(["carafe"]) if r.case.height == 240])
    figure = figure_of([pixels, channels], y="latency")
    assert legend(figure, 0) == {"1.00  CARAFE [A]"}
    assert legend(figure, 1) == {"1.00  CARAFE [B]"}


def test_a_report_of_which_nothing_is_drawn_is_not_listed_and_said():
    other = make_report(make_cell(["carafe"]), machine={"cpu": "Other CPU"})
    drawing = draw_scaling([make_report(grid(["carafe"])), other], y="latency")
    assert "Other CPU" not in caption(drawing.figure)
    assert "[A]" not in caption(drawing.figure)
    assert legend(drawing.figure) == {"1.00  CARAFE"}
    assert any(note.startswith("report 2 left out") for note in drawing.notes)


MIXED = {"cpu": "Some CPU", "threads": 2, "gpus": [{"name": "Some GPU"}]}


def test_the_caption_names_the_device_of_what_is_drawn():
    rows = make_cell(["carafe"]) + on_cuda(grid(["carafe"]))
    rows = [r for r in rows if r.case.device != "cuda:0" or r.case.height != 120]
    figure = figure_of(make_report(rows, machine=MIXED), x="pixels")
    assert "Measured: Some GPU (cuda:0), 2026-03-01." in caption(figure)
    assert "Some CPU" not in caption(figure)
    assert legend(figure) == {"1.00  CARAFE"}
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [3600, 57600]


def test_a_line_holds_points_of_one_device():
    ours, theirs = grid(["carafe"]), on_cuda(grid(["fade", "carafe"]))
    figure = figure_of(make_report(ours + theirs, machine=MIXED), x="pixels", y="latency")
    assert legend(figure) == {"1.00  CARAFE cpu", "1.00  CARAFE cuda:0", "1.00  FADE cuda:0"}
    lines = {tuple(line.get_ydata()): line.get_linestyle() for line in figure.axes[0].get_lines()}
    assert len(set(lines.values())) == 2
    assert "Measured: Some CPU (cpu, 2 threads), Some GPU (cuda:0), 2026-03-01." in caption(figure)


def test_points_of_two_devices_make_no_line():
    rows = make_cell(["carafe"], channels=64) + on_cuda(make_cell(["carafe"], channels=128))
    with pytest.raises(ReportError, match="no upsampler at two sizes"):
        figure_of(make_report(rows, machine=MIXED))


def test_memory_is_named_after_what_is_drawn():
    rows = [replace(row, peak_memory_kind="cuda allocator") for row in on_cuda(grid(["carafe"]))]
    figure = figure_of(make_report(make_cell(["fade"]) + rows, machine=MIXED))
    assert "Peak memory (cuda allocator):" in caption(figure)


def test_what_was_not_measured_is_named_once():
    skipped = [replace(row, status="skipped") for row in grid(["a2u"])]
    drawing = draw_scaling(make_report(grid(["carafe"]) + skipped))
    assert drawing.notes == ("not measured: A2U (skipped)",)
