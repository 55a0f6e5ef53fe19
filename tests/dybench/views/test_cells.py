"""What every format shows: columns, figures, marks, footnotes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dybench.result import Latency
from dybench.views.cells import cell_tables, legend, machine_line
from tests.dybench.factories import make_cell, make_measurement, make_report


def published(**figures):
    return lambda name: figures.get(name.replace("-", "_"))


def table(*rows, miou=lambda name: None):
    (only,) = cell_tables(make_report(rows), miou)
    return only


def figures(shown, key):
    index = [column.key for column in shown.columns].index(key)
    return [row.values[index] for row in shown.rows]


def latency(low, median, high):
    return Latency(median=median, low=low, high=high, samples=[low, median, high])


def test_a_cell_of_figures():
    shown = table(
        *make_cell(["bilinear", "dysample"]), miou=published(bilinear=41.68, dysample=43.21)
    )
    assert shown.title == "256 × 120 × 120, ×2, batch 1, float32, cpu, contiguous, inference"
    assert [column.header for column in shown.columns] == [
        "params",
        "FLOPs (G)",
        "peak memory, CPU (MB)",
        "latency, median (ms)",
        "× bilinear",
        "mIoU, published (%)",
    ]
    texts = [[value.text for value in row.values] for row in shown.rows]
    assert texts == [
        ["0", "0.05898", "59.0", "8.90", "1.00", "41.68"],
        ["8,224", "0.1769", "60.8", "5.70", "0.64", "43.21"],
    ]
    dysample = shown.rows[1].values
    assert [value.interval for value in dysample[3:5]] == ["5.64–5.76", "0.62–0.66"]
    assert [value.best for value in dysample] == [False, False, False, True, True, True]


def test_the_reference_has_no_interval_of_its_ratio_to_itself():
    assert figures(table(*make_cell(["bilinear", "dysample"])), "ratio")[0].interval == ""


def test_weights_only_are_shown_where_they_differ():
    plain = make_measurement("a", params=1040)
    assert "weights" not in [column.key for column in table(plain).columns]
    shown = table(make_measurement("a", params=1040, params_weights=1024))
    assert figures(shown, "weights")[0].text == "1,024"


def test_a_missing_figure_is_a_dash_with_its_note():
    shown = table(
        make_measurement("a", flops=None, notes=["FLOPs: no counter", "FLOPs: no counter"])
    )
    assert figures(shown, "flops")[0].text == "–"
    assert shown.rows[0].notes == (1,)
    assert shown.notes == ("FLOPs: no counter",)


def test_notes_shared_by_rows_share_a_number():
    rows = [make_measurement("a", notes=["x"]), make_measurement("b", notes=["y", "x"])]
    shown = table(*rows)
    assert [row.notes for row in shown.rows] == [(1,), (1, 2)]
    assert shown.notes == ("x", "y")


def test_uncounted_flops_are_marked_and_win_nothing():
    rows = [
        make_measurement("a", flops=10**9, flops_unsupported={"aten::foo": 3}),
        make_measurement("b", flops=2 * 10**9),
        make_measurement("c", flops=3 * 10**9),
    ]
    shown = table(*rows)
    assert [value.partial for value in figures(shown, "flops")] == [True, False, False]
    assert [value.best for value in figures(shown, "flops")] == [False, True, False]
    assert shown.uncounted == ("a: aten::foo (3×)",)


def test_medians_the_intervals_do_not_tell_apart_are_best_together():
    rows = [
        make_measurement("a", latency_s=latency(0.9, 1.0, 1.1)),
        make_measurement("b", latency_s=latency(1.05, 1.2, 1.3)),
        make_measurement("c", latency_s=latency(1.2, 1.3, 1.4)),
    ]
    assert [value.best for value in figures(table(*rows), "latency")] == [True, True, False]


def test_where_nothing_can_be_told_apart_nothing_is_best():
    same = latency(0.9, 1.0, 1.1)
    shown = table(make_measurement("a", latency_s=same), make_measurement("b", latency_s=same))
    assert not any(value.best for row in shown.rows for value in row.values)


def test_the_front_is_by_miou_where_published_and_else_by_memory():
    rows = [
        make_measurement("fast", latency=1.0, memory=100),
        make_measurement("good", latency=2.0, memory=300),
        make_measurement("slow", latency=3.0, memory=200),
        make_measurement("unrated", latency=0.5, memory=400),
        make_measurement("poor", latency=4.0, memory=500),
    ]
    shown = table(*rows, miou=published(fast=41.0, good=43.0, slow=42.0))
    fronts = {row.label: row.front for row in shown.rows}
    assert fronts == {"fast": "miou", "good": "miou", "slow": "", "unrated": "memory", "poor": ""}


def test_published_figures_are_of_the_authors_own_setting():
    miou = published(carafe=42.82, dysample=43.21)
    odd = [make_measurement("carafe", options={"up_kernel": 3}), make_measurement("dysample")]
    assert [value.text for value in figures(table(*odd, miou=miou), "miou")] == ["–", "43.21"]
    third = table(make_measurement("dysample", scale=3), miou=miou)
    assert "miou" not in [column.key for column in third.columns]


def test_the_published_figures_of_the_package_are_the_default():
    (shown,) = cell_tables(make_report(make_cell(["bilinear", "bicubic", "dysample-s+"])))
    assert [value.text for value in figures(shown, "miou")] == ["41.68", "–", "43.58"]
    assert [row.front for row in shown.rows] == ["", "", "miou"]


def test_memory_of_different_kinds_is_not_compared():
    rows = [
        make_measurement("a", memory=10**8),
        make_measurement("b", memory=2 * 10**8, peak_memory_kind="cuda predicted"),
    ]
    values = figures(table(*rows), "memory")
    assert [value.text for value in values] == ["100 CPU", "200 CUDA, predicted"]
    assert not any(value.best for value in values)


def test_failed_rows_keep_their_figures_and_say_why():
    rows = [
        make_measurement("a"),
        make_measurement("b", status="out_of_memory", reason="4 GB wanted", latency=None),
        make_measurement(
            "c",
            status="skipped",
            reason="scale",
            params=None,
            flops=None,
            memory=None,
            latency=None,
        ),
    ]
    shown = table(*rows)
    assert [row.label for row in shown.rows] == ["a", "b"]
    assert figures(shown, "latency")[1].text == "no memory"
    said = [(p.label, p.status, p.reason) for p in shown.problems]
    assert said == [("b", "out of memory", "4 GB wanted"), ("c", "skipped", "scale")]


def test_units_are_the_same_in_every_cell():
    rows = [*make_cell(["carafe"]), *make_cell(["carafe"], height=8, width=8)]
    small, large = cell_tables(make_report(rows))
    units = [[column.unit for column in shown.columns] for shown in (small, large)]
    assert units[0] == units[1]


def test_the_legend_explains_the_marks_that_occur_and_no_others():
    plain = table(make_measurement("a"))
    assert legend([plain]) == []
    full = table(
        *make_cell(["bilinear", "dysample"], guided=True, flops_unsupported={"x": 1}),
        make_measurement("own", latency=1e-4),
        miou=published(bilinear=1, dysample=2),
    )
    assert [mark for mark, _ in legend([full])] == ["*", "★", "◆", "(g)", "†"]


def test_the_machine_is_the_one_that_measured():
    machine = {
        "cpu": "Some CPU",
        "threads": 2,
        "gpus": [{"name": "Some GPU"}],
        "packages": {"torch": "2.13.0"},
    }
    cpu = make_report([make_measurement("a")], machine=machine)
    assert machine_line(cpu) == "Some CPU, 2 threads, torch 2.13.0, 2026-03-01 12:00"
    cuda = make_report([make_measurement("a", device="cuda:0")], machine=machine)
    assert machine_line(cuda) == "Some GPU, torch 2.13.0, 2026-03-01 12:00"
    assert machine_line(make_report([], machine={})) == "2026-03-01 12:00"


STATUSES = st.sampled_from(["ok", "skipped", "out_of_memory", "timeout", "failed"])
WHOLE = st.none() | st.integers(0, 10**13)
ROWS = st.builds(
    make_measurement,
    st.sampled_from(["bilinear", "dysample", "own.module:Class"]),
    params=WHOLE,
    flops=WHOLE,
    memory=st.none() | st.integers(0, 10**12),
    latency=st.none() | st.floats(1e-7, 1e3),
    ratio=st.none() | st.floats(1e-3, 1e3),
    status=STATUSES,
    scale=st.sampled_from([2, 3]),
)


@given(st.lists(ROWS, max_size=6))
def test_no_row_is_lost_and_every_row_has_every_column(rows):
    tables = cell_tables(make_report(rows))
    assert sum(len(shown.rows) + len(shown.bare) for shown in tables) == len(rows)
    assert sum(len(shown.problems) for shown in tables) == sum(r.status != "ok" for r in rows)
    for shown in tables:
        assert all(len(row.values) == len(shown.columns) for row in shown.rows)


def test_runtimes_of_a_cell_are_rows_of_one_table():
    shown = table(
        make_measurement("bilinear", ratio=1.0),
        make_measurement("bilinear", ratio=0.9, runtime="compile"),
        make_measurement(
            "deconv",
            status="skipped",
            reason="no",
            latency=None,
            params=None,
            flops=None,
            memory=None,
            runtime="onnxruntime",
        ),
    )
    assert [row.label for row in shown.rows] == ["bilinear", "bilinear (compile)"]
    assert [problem.label for problem in shown.problems] == ["deconv (onnx)"]
    assert [bool(value.interval) for value in figures(shown, "ratio")] == [False, True]
    assert shown.title.endswith("inference")


def test_one_runtime_alone_is_in_the_title():
    shown = table(make_measurement("bilinear", runtime="compile"))
    assert [row.label for row in shown.rows] == ["bilinear"]
    assert shown.title.endswith("inference, compile")


def test_kernels_alone_are_a_column_where_they_were_timed():
    assert "kernels" not in [column.key for column in table(make_measurement("a")).columns]
    shown = table(make_measurement("a", latency=0.004, kernel_s=0.001), make_measurement("b"))
    assert [value.text for value in figures(shown, "kernels")] == ["1.00", "–"]


def test_how_it_was_measured_is_said_where_that_is_not_as_usual():
    usual = {"memory_allocator": "keep", "offset_std": 0.5, "flush_l2": False}
    other = {"memory_allocator": "system", "offset_std": 0.0, "flush_l2": True}
    machine = {"cpu": "Some CPU", "threads": 1}
    assert machine_line(make_report(machine=machine, settings=usual)) == (
        "Some CPU, 1 thread, 2026-03-01 12:00"
    )
    assert machine_line(make_report(machine=machine, settings=other)) == (
        "Some CPU, 1 thread, memory returned to the system, offset std 0.0, "
        "L2 emptied before each call, 2026-03-01 12:00"
    )
