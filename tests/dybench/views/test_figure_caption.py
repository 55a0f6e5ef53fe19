"""The words under a figure: reports told apart, threads counted, every name once."""

import pytest

from dybench.views.figure.caption import dates_of, describe_report, not_measured
from dybench.views.figure.complexity import draw_complexity
from dybench.views.figure.select import Row
from tests.dybench.factories import make_measurement, make_report

DAY = "2026-11-23"


@pytest.mark.parametrize(
    ("created", "told"),
    [
        (["2026-11-23T10:11:12+00:00"], [DAY]),
        (["2026-11-23T10:11:12Z", "2026-11-24T10:11:12Z"], [DAY, "2026-11-24"]),
        (
            ["2026-11-23T10:11:12Z", "2026-11-23T10:12:12Z", "2026-11-24T10:11:12Z"],
            [f"{DAY} 10:11", f"{DAY} 10:12", "2026-11-24"],
        ),
        (
            ["2026-11-23T10:11:12Z", "2026-11-23T10:11:13Z", "2026-11-23T10:12:13Z"],
            [f"{DAY} 10:11:12", f"{DAY} 10:11:13", f"{DAY} 10:12"],
        ),
        (
            ["2026-11-23T10:11:12+00:00", "2026-11-23T10:11:12+01:00"],
            [f"{DAY} 10:11:12+00:00", f"{DAY} 10:11:12+01:00"],
        ),
        (["2026-11-23T10:11:12Z"] * 2, [f"{DAY} 10:11:12"] * 2),
    ],
)
def test_a_date_says_as_much_as_tells_it_apart(created, told):
    assert dates_of([make_report([], created=text) for text in created]) == told


def test_reports_of_one_day_are_told_apart_in_the_caption():
    times = ("2026-11-23T10:11:12+00:00", "2026-11-23T17:00:00+00:00")
    figure = draw_complexity([make_report(created=text) for text in times]).figure
    caption = " ".join(text.get_text() for text in figure.texts)
    assert "[A] Synthetic CPU (cpu, 2 threads), 2026-11-23 10:11; " in caption
    assert "[B] Synthetic CPU (cpu, 2 threads), 2026-11-23 17:00." in caption


@pytest.mark.parametrize(("threads", "said"), [(1, "1 thread"), (2, "2 threads")])
def test_one_thread_is_no_threads(threads, said):
    report = make_report(machine={"cpu": "CPU", "threads": threads})
    assert describe_report(report, ["cpu"], DAY) == f"CPU (cpu, {said}), {DAY}"


def test_what_was_not_measured_is_named_once():
    rows = [
        Row(report, title, make_measurement(title.lower(), status=status))
        for report in (0, 1)
        for title, status in (("A2U", "skipped"), ("SAPA-B", "skipped"), ("A2U", "timeout"))
    ]
    assert not_measured(rows) == ["not measured: A2U (skipped, timeout), SAPA-B (skipped)"]
