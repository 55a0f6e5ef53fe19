"""Bars: lengths, printed values, zeros and gaps are those of the report."""

import random
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dybench.errors import ReportError, UsageError
from dybench.views.figure.bars import draw_bars
from tests.dybench.factories import TYPICAL, make_cell, make_measurement, make_report


def figure_of(*arguments, **options):
    return draw_bars(*arguments, **options).figure


def panel(figure, start):
    return next(a for a in figure.axes if a.get_xlabel().startswith(start))


def values(plot):
    return [text.get_text() for text in plot.texts]


def test_all_four_metrics_share_the_upsamplers():
    figure = figure_of(make_report())
    assert [a.get_xlabel().partition(" (")[0] for a in figure.axes] == [
        "parameters", "FLOPs", "peak memory", "latency",
    ]  # fmt: skip
    assert len({a.get_ylim() for a in figure.axes}) == 1
    assert all(len(values(a)) == len(TYPICAL) for a in figure.axes)


def test_the_fastest_is_on_top_and_values_are_printed():
    figure = figure_of(make_report())
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[:2] == ["nearest", "DySample"]
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]
    assert values(panel(figure, "parameters"))[:2] == ["0", "8.22"]
    assert values(panel(figure, "latency"))[:2] == ["2.90", "5.70"]


def test_bars_end_at_their_values():
    plot = panel(figure_of(make_report()), "latency")
    ends = [bar.get_x() + bar.get_width() for bar in plot.patches]
    assert ends == pytest.approx(sorted(ms for *_, ms in TYPICAL.values()))


def test_zero_is_zero_without_a_bar():
    rows = [make_measurement("nearest", flops=0), make_measurement("carafe", flops=10**9)]
    plot = panel(figure_of(make_report(rows)), "FLOPs")
    assert values(plot) == ["0", "1.00"]
    assert len(plot.patches) == 1


def test_uncounted_flops_are_marked_and_their_operators_named():
    rows = [
        make_measurement("nearest", flops=0, flops_unsupported={"aten::fft": 1}),
        make_measurement("deconv", flops=None, flops_unsupported={"aten::fft": 1}),
        make_measurement("carafe"),
    ]
    drawing = draw_bars(make_report(rows))
    assert sorted(values(panel(drawing.figure, "FLOPs"))) == ["0†", "1.00", "–"]
    assert not any("†" in text for text in values(panel(drawing.figure, "parameters")))
    note = "† a lower bound: some operators were not counted (nearest: aten::fft)"
    assert note in drawing.notes
    assert note in " ".join(text.get_text() for text in drawing.figure.texts)
    assert draw_bars(make_report(rows), "latency").notes == ()


def test_a_gap_is_a_gap_and_said():
    rows = [make_measurement("carafe", memory=None), make_measurement("nearest")]
    drawing = draw_bars(make_report(rows))
    plot = panel(drawing.figure, "peak memory")
    assert values(plot).count("–") == 1
    assert len(plot.patches) == 1
    assert "peak memory unknown (–): CARAFE" in drawing.notes


def test_printed_values_stay_in_their_panel():
    figure = figure_of(make_report())
    renderer = FigureCanvasAgg(figure).get_renderer()
    for plot in figure.axes:
        frame = plot.get_window_extent(renderer)
        assert all(text.get_window_extent(renderer).x1 <= frame.x1 for text in plot.texts)


def tick_boxes(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    labels = [label for plot in figure.axes for label in plot.get_xticklabels()]
    return [label.get_window_extent(renderer) for label in labels]


def rows_at_random(seed):
    rng = random.Random(seed)
    names = [*TYPICAL, "m.py:" + "ALongNameForAnUpsampler" * rng.randrange(3)]
    return [
        make_measurement(
            name,
            params=int(10 ** rng.uniform(0, 8)),
            flops=int(10 ** rng.uniform(5, 12)),
            memory=int(10 ** rng.uniform(5, 10)),
            latency=10 ** rng.uniform(-6, 2),
        )
        for name in rng.sample(names, rng.randrange(1, len(names)))
    ]


CROWDED = [
    make_measurement("carafe", params=8_000, flops=10**7, memory=10**8, latency=1e-5),
    make_measurement("fade", params=10**7, flops=10**10, memory=10**5, latency=1e-2),
]


@pytest.mark.parametrize(
    "rows", [None, make_cell(channels=64), CROWDED, *map(rows_at_random, range(30))]
)
def test_tick_labels_are_apart_in_a_panel_and_from_the_next(rows):
    figure = figure_of(make_report(rows))
    boxes = tick_boxes(figure)
    three_points = 3 * figure.dpi / 72
    gaps = [later.x0 - earlier.x1 for earlier, later in pairwise(boxes)]
    assert min(gaps) >= three_points
    assert boxes[-1].x1 <= figure.get_size_inches()[0] * figure.dpi
    assert all(len(plot.get_xticks()) >= 2 for plot in figure.axes)


@pytest.mark.parametrize("name", ["carafe", "mod:" + "AVeryLongNameForAnUpsampler" * 3])
def test_names_stay_on_the_page(name):
    figure = figure_of(make_report([make_measurement(name)]))
    renderer = FigureCanvasAgg(figure).get_renderer()
    [label] = figure.axes[0].get_yticklabels()
    assert label.get_window_extent(renderer).x0 >= 0


def test_latency_has_whiskers():
    plot = panel(figure_of(make_report(make_cell(["carafe"]))), "latency")
    [whisker] = plot.get_lines()
    assert list(whisker.get_xdata()) == pytest.approx([41.0 * 0.99, 41.0 * 1.01])


def test_two_reports_are_hatched_apart():
    figure = figure_of([make_report(), make_report(created="2026-04-01T00:00:00Z")])
    plot = panel(figure, "latency")
    assert {bar.get_hatch() for bar in plot.patches} == {"", "/////"}
    assert len(plot.patches) == 2 * len(TYPICAL)


def test_one_metric_alone():
    [plot] = figure_of(make_report(), "latency").axes
    assert plot.get_xlabel() == "latency (ms), log"
    with pytest.raises(UsageError, match="did you mean 'memory'"):
        figure_of(make_report(), "memery")


def test_nothing_ok_is_one_line():
    rows = [make_measurement("deconv", status="skipped", reason="scale 3")]
    with pytest.raises(ReportError, match="nothing to draw"):
        figure_of(make_report(rows))
