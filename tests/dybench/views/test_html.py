"""The page: well formed, on its own, readable by a screen reader, and nothing in it is live."""

from __future__ import annotations

from dybench.views.html import render
from tests.dybench.factories import make_measurement, make_report
from tests.dybench.views.examples import REASON, example
from tests.dybench.views.pages import Page


def test_the_tables_read_back():
    first, second = Page.of(render(example())).tables
    assert first[0][:4] == ["upsampler", "params", "FLOPs G", "peak memory CPU, MB"]
    assert first[3] == [
        "dysample ★",
        "8,224",
        "0.1769",
        "60.8",
        "5.70 [5.64–5.76]",
        "0.64 [0.62–0.66]",
        "43.21",
    ]
    assert first[5][0] == "sapa-b1 (g)"
    assert ["deconv", f"skipped: {REASON}".replace("`", "")] in second
    assert ["carafe", "out of memory: 4 GB"] in second


def test_best_is_strong():
    strong = Page.of(render(example())).texts_in("strong")
    assert "43.58" in strong
    assert "8.90" not in strong


def test_the_page_stands_alone():
    page = Page.of(render(example()))
    tags = [tag for tag, _ in page.attributes]
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.attributes)
    assert "url(" not in page.texts_in("style")[0]
    assert "@import" not in page.texts_in("style")[0]


def test_headers_say_what_they_head():
    page = Page.of(render(example()))
    scopes = [attributes.get("scope") for tag, attributes in page.attributes if tag == "th"]
    assert set(scopes) == {"col", "row"}
    assert ("html", {"lang": "en"}) in page.attributes
    assert len(page.texts_in("caption")) == len(page.tables)


def test_what_a_report_says_is_never_markup():
    evil = '<script>alert("x")</script>'
    row = make_measurement(evil, notes=[evil], status="failed", reason=evil)
    report = make_report([row], command=evil, machine={"cpu": evil})
    page = Page.of(render(report))
    assert "script" not in [tag for tag, _ in page.attributes]
    assert page.texts_in("body")[0].count(evil) >= 4


def test_an_unfinished_and_an_empty_report_say_so():
    text = render(make_report([], complete=False))
    assert "No measurements in this report." in text
    assert "Incomplete" in text
