"""The redrawn Figure 1, judged by what is rendered: bounding boxes, areas, limits, caption."""

import math
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dybench.errors import ReportError, UsageError
from dybench.published import load_published
from dybench.views.figure import bubbles as bubbles_module
from dybench.views.figure import labels as labels_module
from dybench.views.figure.complexity import draw_complexity
from dybench.views.figure.select import parse_filter
from tests.dybench.factories import TYPICAL, make_cell, make_measurement, make_report

NAMES = list(TYPICAL)
WITH_MIOU = [name for name in NAMES if load_published().miou(name) is not None]


def figure_of(*arguments, **options):
    return draw_complexity(*arguments, **options).figure


def discs(figure, kind="bubble"):
    """(title, x, y, radius) in pixels of every scattered disc of that kind."""
    plot = figure.axes[0]
    found = []
    for artist in plot.collections:
        what, _, title = artist.get_label().partition(" ")
        if what == kind:
            [(x, y)] = plot.transData.transform(artist.get_offsets())
            radius = math.sqrt(artist.get_sizes()[0]) / 2 * figure.dpi / 72
            found.append((title, x, y, radius))
    return found


def labels(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.axes[0].texts if text.get_label() == "label"]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def faults(figure):
    """Every label or bubble that collides or leaves the frame, as rendered."""
    found = []
    frame = figure.axes[0].get_window_extent()
    boxes = labels(figure)
    for i, (name, box) in enumerate(boxes):
        if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1:
            found.append(("label out of frame", name))
        found += [("labels", name, other) for other, b in boxes[:i] if box.overlaps(b)]
        for title, x, y, radius in [*discs(figure), *discs(figure, "mark")]:
            near = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
            if title != name and math.dist(near, (x, y)) < radius:
                found.append(("label on bubble", name, title))
    for line in [line for line in figure.axes[0].lines if line.get_label() == "leader"]:
        path = line.get_transform().transform_path(line.get_path())
        struck = [name for name, box in boxes if path.intersects_bbox(box.padded(-1))]
        found += [("leader line through label", name) for name in struck]
    for title, x, y, radius in [*discs(figure), *discs(figure, "mark")]:
        if x - radius < frame.x0 or x + radius > frame.x1:
            found.append(("bubble cut", title))
        if y - radius < frame.y0 or y + radius > frame.y1:
            found.append(("bubble cut", title))
    return found


def texts_outside(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.get_size_inches() * figure.dpi
    everything = [*figure.texts, *(t for axes in figure.axes for t in axes.texts)]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in everything]
    return [t for t, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]


def caption(figure):
    return " ".join(text.get_text() for text in figure.texts)


def rows_at_random(seed, names=NAMES, largest=10**11, spread=6.0):
    rng = random.Random(seed)
    return [
        make_measurement(
            name,
            flops=int(largest ** rng.random()),
            memory=int(10 ** rng.uniform(6, 9)),
            latency=10 ** rng.uniform(-3, -3 + spread),
        )
        for name in names
    ]


LONG = "pkg{0}.module:{0}VeryLongNameOfAnUpsamplerThatNoOneWouldEverType{0}"
NASTY = {
    "typical": (make_report(), None),
    "one point": (make_report([make_measurement("carafe")]), None),
    "one of the user's own": (make_report([make_measurement("file.py:Mine")]), None),
    "all at one point": (make_report([make_measurement(n) for n in NAMES]), "memory"),
    "one latency": (make_report([make_measurement(n) for n in WITH_MIOU]), None),
    "no FLOPs at all": (make_report([make_measurement(n, flops=0) for n in WITH_MIOU]), None),
    "FLOPs from 1 to 1e20": (
        make_report([make_measurement(n, flops=10 ** (i * 20 // 16)) for i, n in enumerate(NAMES)]),
        "params",
    ),
    "all as large": (make_report(rows_at_random(3, largest=1)), "memory"),
    "long names": (make_report(rows_at_random(1, [LONG.format(i) for i in range(17)])), None),
    "long names at one point": (
        make_report([make_measurement(LONG.format(i)) for i in range(17)]),
        None,
    ),
    "with options": (
        make_report([make_measurement("carafe", options={"up_kernel": k}) for k in (3, 5, 7)]),
        None,
    ),
    "dollars and hashes": (make_report([make_measurement("a.py:$x^2$_{#&}")]), None),
}


@pytest.mark.parametrize("case", NASTY)
def test_nothing_collides_and_nothing_is_cut(case):
    report, y = NASTY[case]
    figure = figure_of(report, y=y)
    assert faults(figure) == []
    assert texts_outside(figure) == []
    shown = {text for text, _ in labels(figure)}
    assert len(shown) == len(labels(figure)) == len({title for title, *_ in discs(figure, "mark")})


@settings(max_examples=5, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, 8.0))
def test_nothing_collides_at_random(seed, spread):
    assert faults(figure_of(make_report(rows_at_random(seed, spread=spread)))) == []


def test_the_check_for_collisions_can_fail():
    figure = figure_of(make_report())
    text, other = [t for t in figure.axes[0].texts if t.get_label() == "label"][:2]
    text.set_position(other.get_position())
    assert faults(figure)
    text.set_position((0.99, 0.5))
    assert ("label out of frame", text.get_text()) in faults(figure)
    figure = figure_of(make_report([make_measurement(n) for n in WITH_MIOU]))
    line = next(a for a in figure.axes[0].lines if a.get_label() == "leader")
    line.set_data([0, 1], [0, 1])
    for text in figure.axes[0].texts:
        text.set_position((0.5, 0.5))
    assert "leader line through label" in {kind for kind, *_ in faults(figure)}


@pytest.mark.parametrize("fails", [1, 3])
def test_the_frame_grows_while_a_label_finds_no_place(monkeypatch, fails):
    usual = figure_of(make_report()).get_size_inches()
    heights = []

    def place(labels, lines, frame):
        heights.append(frame[1])
        return labels_module.place(labels, lines, frame) if len(heights) > fails else None

    monkeypatch.setattr(bubbles_module, "place", place)
    figure = figure_of(make_report())
    assert heights == sorted(set(heights))
    assert figure.get_size_inches()[1] * 72 - usual[1] * 72 == pytest.approx(
        heights[-1] - heights[0]
    )
    assert faults(figure) == []


def test_labels_without_any_room_are_one_line(monkeypatch):
    monkeypatch.setattr(bubbles_module, "place", lambda *_: None)
    with pytest.raises(ReportError, match="find no room: choose some with `--cell upsampler="):
        figure_of(make_report())


def test_a_label_wider_than_the_frame_has_no_place(capsys):
    bubble = labels_module.Bubble(15.0, 15.0, 2.0, "wider than the frame")
    assert labels_module.place([bubble], [], (30.0, 30.0)) is None
    assert capsys.readouterr() == ("", "")


def test_areas_are_in_proportion_to_flops():
    report = make_report(make_cell(["deconv", "carafe", "fade", "dysample"]))
    flops = {row.case.upsampler: row.flops for row in report.measurements}
    radii = {title.lower(): radius for title, _, _, radius in discs(figure_of(report))}
    for name, radius in radii.items():
        assert radius**2 / radii["deconv"] ** 2 == pytest.approx(flops[name] / flops["deconv"])


def test_bubbles_stand_at_latency_and_published_miou():
    figure = figure_of(make_report())
    places = {a.get_label(): a.get_offsets()[0] for a in figure.axes[0].collections}
    assert np.allclose(places["mark CARAFE"], (41.0, 42.82))
    assert np.allclose(places["mark IndexNet"], (210.0, 41.50))


def test_the_papers_points_are_behind_and_their_source_below():
    figure = figure_of(make_report())
    hollow = [a for a in figure.axes[0].collections if a.get_label() == "paper"]
    assert len(hollow) == 10
    bubbles = [a for a in figure.axes[0].collections if a.get_label().startswith("bubble ")]
    assert max(a.zorder for a in hollow) < min(a.zorder for a in bubbles)
    words = ("ICCV 2023, Figure 1", "authors' GPU", "Synthetic CPU", "cpu, 2 threads")
    words += ("256×120×120 ×2", "float32", "2026-03-01", "READMEs of poppinace/sapa")
    assert [word for word in words if word not in caption(figure)] == []


@pytest.mark.parametrize("axes", [{"y": "memory"}, {"x": "flops"}])
def test_the_papers_points_are_gone_from_other_axes(axes):
    figure = figure_of(make_report(), **axes)
    assert not [a for a in figure.axes[0].collections if a.get_label() == "paper"]
    assert "ICCV" not in caption(figure)


def hollow(figure):
    return [a for a in figure.axes[0].collections if a.get_label() == "paper"]


@pytest.mark.parametrize(
    "fields", [{"channels": 16, "height": 8, "width": 8}, {"mode": "training"}, {"batch": 2}]
)
def test_the_papers_points_are_gone_from_other_cells(fields):
    figure = figure_of(make_report(make_cell(**fields)))
    assert hollow(figure) == []
    assert "ICCV" not in caption(figure)
    assert not any("paper" in text.get_text() for text in figure.axes[1].texts)
    assert not [line for line in figure.axes[0].lines if line.get_color() == "#C4C4C4"]


def test_the_papers_cell_has_its_points_in_any_dtype():
    assert len(hollow(figure_of(make_report(make_cell(dtype="float16"))))) == 10


def test_the_papers_points_are_of_what_is_drawn_and_each_has_its_line():
    figure = figure_of(make_report(make_cell(["carafe", "dysample", "a2u", "nearest"])))
    places = [tuple(a.get_offsets()[0]) for a in hollow(figure)]
    assert places == [(12.6, 42.82), (6.2, 43.21)]
    lines = [line for line in figure.axes[0].lines if line.get_color() == "#C4C4C4"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines] == places


def test_uncounted_flops_are_marked_and_their_operators_named():
    rows = [
        make_measurement("carafe", flops=0, flops_unsupported={"aten::fft": 2, "aten::cumsum": 1}),
        make_measurement("bilinear"),
    ]
    drawing = draw_complexity(make_report(rows))
    note = "† a lower bound: some operators were not counted (CARAFE: aten::cumsum, aten::fft)"
    assert drawing.notes == (note,)
    assert note in caption(drawing.figure)
    assert {text for text, _ in labels(drawing.figure)} == {"CARAFE†", "bilinear"}
    assert draw_complexity(make_report(rows), size="memory").notes == ()


def test_no_miou_is_invented():
    drawing = draw_complexity(make_report())
    shown = {text for text, _ in labels(drawing.figure)}
    assert shown.isdisjoint({"nearest", "bicubic", "FADE-Lite", "SAPA-D"})
    note = "left out, having no published mIoU: nearest, bicubic, FADE-Lite, SAPA-D"
    assert note in drawing.notes
    assert note[1:] in caption(drawing.figure)


def test_other_options_than_the_authors_have_no_published_miou():
    rows = [make_measurement("carafe", options={"up_kernel": 7}), make_measurement("bilinear")]
    drawing = draw_complexity(make_report(rows))
    assert drawing.notes == ("left out, having no published mIoU: CARAFE (up_kernel=7)",)


def test_other_scales_than_the_authors_have_no_published_miou():
    rows = make_cell(["bilinear", "dysample"], scale=4)
    assert draw_complexity(make_report(rows)).notes == ("no published mIoU here: y is peak memory",)


def test_without_any_published_miou_y_is_memory():
    drawing = draw_complexity(make_report(make_cell(["nearest", "bicubic"])))
    assert drawing.figure.axes[0].get_ylabel() == "peak memory (MB)"
    assert drawing.notes == ("no published mIoU here: y is peak memory",)


def test_a_missing_size_is_said_and_not_drawn():
    rows = [make_measurement("carafe", flops=None), make_measurement("bilinear")]
    drawing = draw_complexity(make_report(rows))
    assert [title for title, *_ in discs(drawing.figure)] == ["bilinear"]
    assert "drawn without a bubble, FLOPs unknown: CARAFE" in drawing.notes


def test_rows_that_failed_are_named():
    rows = [make_measurement("carafe"), make_measurement("fade", status="out_of_memory")]
    assert "not measured: FADE (out of memory)" in draw_complexity(make_report(rows)).notes


def test_the_axis_is_logarithmic_only_when_the_span_is_wide():
    narrow = [make_measurement("carafe", latency=0.0126), make_measurement("dysample")]
    assert figure_of(make_report(narrow)).axes[0].get_xscale() == "linear"
    wide = [make_measurement("carafe", latency=0.4), make_measurement("dysample")]
    assert figure_of(make_report(wide)).axes[0].get_xscale() == "log"


def test_no_tick_below_zero_where_nothing_is():
    figure = figure_of(make_report([make_measurement("deconv", latency=1e-5)]))
    assert min(figure.axes[0].get_xticks()) >= 0


def test_the_papers_cell_is_preferred_and_the_choice_is_said():
    rows = make_cell(["carafe"], channels=64) + make_cell(["carafe"], dtype="float16")
    drawing = draw_complexity(make_report(rows + make_cell(["carafe"])))
    expected = "showing cell 256×120×120 ×2, batch 1, float32, contiguous, inference: one of 3"
    assert drawing.notes[0].startswith(expected)
    assert caption(drawing.figure).count("float32") == 1


def test_an_interrupted_run_is_said_to_be_one():
    report = msgspec.structs.replace(make_report(), complete=False)
    assert "run not complete" in caption(figure_of(report))
    assert "run not complete" not in caption(figure_of(make_report()))


def test_a_cell_can_be_chosen():
    rows = make_cell(["carafe"]) + make_cell(["carafe"], channels=64, height=60, width=60)
    drawing = draw_complexity(make_report(rows), cell=parse_filter("channels=64,size=60x60"))
    assert "64×60×60 ×2" in caption(drawing.figure)
    with pytest.raises(UsageError, match="matches no cell"):
        draw_complexity(make_report(rows), cell=parse_filter("channels=32"))


@pytest.mark.parametrize(
    "text", ["colour=red", "channels", "channels=many", "size=axb", "scale=-2"]
)
def test_a_filter_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError, match="`--cell`"):
        parse_filter(text)


def two_machines():
    ours = make_report()
    rows = [
        msgspec.structs.replace(row, case=msgspec.structs.replace(row.case, device="cuda:0"))
        for row in make_cell()
    ]
    machine = {"cpu": "Other CPU", "gpus": [{"name": "Some GPU"}]}
    return [ours, make_report(rows, created="2026-04-02T00:00:00Z", machine=machine)]


def test_reports_of_two_machines_are_drawn_together():
    figure = figure_of(two_machines())
    assert faults(figure) == []
    assert "[A] Synthetic CPU (cpu, 2 threads), 2026-03-01" in caption(figure)
    assert "[B] Some GPU (cuda:0), 2026-04-02" in caption(figure)
    assert len(discs(figure)) == 2 * len(WITH_MIOU)
    assert len(labels(figure)) == len(WITH_MIOU)


def test_a_report_without_that_cell_is_left_out_and_named():
    other = make_report(make_cell(["carafe"], channels=64))
    notes = draw_complexity([make_report(), other]).notes
    assert any(note.startswith("report 2 left out") for note in notes)


def test_a_report_left_out_leaves_its_letter_out():
    other = make_report(make_cell(["carafe"], channels=64))
    figure = figure_of([make_report(), other, make_report(created="2026-05-01T00:00:00Z")])
    key = [text.get_text() for text in figure.axes[1].texts]
    assert key[:2] == ["report [A]", "report [C]"]
    assert "[C] Synthetic CPU (cpu, 2 threads), 2026-05-01" in caption(figure)
    assert "[B]" not in caption(figure)


def test_too_many_reports_are_refused():
    with pytest.raises(UsageError, match="1 to 4 reports, not 5"):
        figure_of([make_report()] * 5)


def test_a_report_without_latency_is_one_line():
    rows = [make_measurement(name, latency=None) for name in NAMES]
    with pytest.raises(ReportError, match=r"no row with both latency and mIoU .*nothing to draw"):
        figure_of(make_report(rows))


def test_an_unknown_metric_gets_the_nearest_name():
    with pytest.raises(UsageError, match=r"`--x` .='latancy'. .* did you mean 'latency'"):
        figure_of(make_report(), x="latancy")
    with pytest.raises(UsageError, match=r"`--x` .='miou'."):
        figure_of(make_report(), x="miou")
