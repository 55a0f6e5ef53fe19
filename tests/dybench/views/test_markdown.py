"""Markdown, read back by a Markdown parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dybench.views.markdown import escape, render
from tests.dybench.factories import make_cell, make_measurement, make_report
from tests.dybench.views.examples import REASON, example
from tests.dybench.views.pages import Page

SMALL = """\
**256 × 120 × 120, ×2, batch 1, float32, cpu, contiguous, inference**

| upsampler | params | FLOPs (G) | peak memory, CPU (MB) | latency, median (ms) | × bilinear | mIoU, published (%) |
| :--- | ---: | ---: | ---: | ---: | ---: | ---: |
| bilinear | **0** | **0.05898** | **59.0** | 8.90 [8.81–8.99] | 1.00 | 41.68 |
| dysample ★ | 8,224 | 0.1769 | 60.8 | **5.70** [5.64–5.76] | **0.64** [0.62–0.66] | **43.21** |

Measured on Synthetic CPU, 2 threads, 2026-03-01 12:00; in brackets 95% intervals.

**bold**: best of its column, or not told apart from it by the 95% intervals  
★: Pareto-optimal: latency against published mIoU
"""  # noqa: E501, W291 - the two spaces are Markdown's line break


def page_of(text):
    return Page.of(MarkdownIt("commonmark").enable("table").render(text))


def test_a_small_report():
    assert render(make_report(make_cell(["bilinear", "dysample"]))) == SMALL


def test_the_tables_read_back():
    first, second = page_of(render(example())).tables
    assert all(len(row) == len(first[0]) for row in first)
    assert [row[0] for row in first[1:]] == [
        "bilinear",
        "nearest ◆",
        "dysample ★",
        "dysample-s+ ★",
        "sapa-b (g) 1",
        "my_pkg.ups:My_Up",
    ]
    assert first[6][2] == "1.000†"
    status = {row[0]: row[-1] for row in second[1:]}
    assert status["bilinear ◆"] == "ok"
    assert status["carafe"] == "out of memory: 4 GB"
    assert status["deconv"] == f"skipped: {REASON}".replace("`", "")


def test_best_is_bold():
    page = page_of(render(make_report(make_cell(["bilinear", "dysample"]))))
    assert "5.70" in page.texts_in("strong")
    assert "8.90" not in page.texts_in("strong")


def test_an_unfinished_and_an_empty_report_say_so():
    text = render(make_report([], complete=False))
    assert "No measurements in this report." in text
    assert "Incomplete" in text


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_any_reason_stands_in_its_cell_as_it_was(reason):
    row = make_measurement("a", status="failed", reason=f"x {reason}")
    (table,) = page_of(render(make_report([row]))).tables
    assert len(table[1]) == len(table[0])
    said = " ".join(f"failed: x {reason}".split())
    assert "".join(table[1][-1].split()).replace("`", "") == "".join(said.split()).replace("`", "")


def test_code_stays_code():
    assert escape("`a_b|c` is a_b") == "`a_b\\|c` is a\\_b"
