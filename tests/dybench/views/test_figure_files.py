"""The three formats: they open, embed their fonts, and come out the same twice."""

import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
from PIL import Image

from dybench.views.figure.bars import draw_bars
from dybench.views.figure.complexity import draw_complexity
from dybench.views.figure.scaling import draw_scaling
from dybench.views.figure.style import STYLES, render
from tests.dybench.factories import TYPICAL, make_cell, make_report


def figures():
    rows = [row for c in (64, 128) for row in make_cell(("carafe", "dysample"), channels=c)]
    report = make_report(rows)
    return [draw(report).figure for draw in (draw_complexity, draw_scaling, draw_bars)]


def test_two_drawings_are_the_same_bytes():
    suffixes = (".svg", ".pdf", ".png")
    once, again = (
        [render(figure, suffix) for figure, suffix in zip(figures(), suffixes, strict=True)]
        + [render(figures()[0], suffix) for suffix in (".pdf", ".png")]
        for _ in range(2)
    )
    assert once == again


def test_png_is_print_resolution():
    image = Image.open(BytesIO(render(figures()[0], ".png")))
    assert image.size[0] == 2100  # 7 inches at 300 dots an inch
    assert round(image.info["dpi"][0]) == 300


def test_svg_text_is_text():
    tree = ET.fromstring(render(figures()[0], ".svg"))
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(set(ids)) == len(ids)
    texts = {"".join(node.itertext()).strip() for node in tree.iter() if node.tag.endswith("text")}
    assert {"CARAFE", "DySample"} <= texts


def test_pdf_embeds_truetype():
    content = render(figures()[0], ".pdf")
    assert content.startswith(b"%PDF-")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_another_suffix_is_refused():
    with pytest.raises(ValueError, match=r"`suffix` \(='.gif'\) must be one of .png, .svg, .pdf"):
        render(figures()[0], ".gif")


def test_every_upsampler_has_a_style_and_no_two_look_alike():
    assert set(STYLES) == set(TYPICAL)
    looks = [(style.colour, style.marker) for style in STYLES.values()]
    assert len(set(looks)) == len(looks)
    within = [(style.marker, str(style.line)) for style in STYLES.values()]
    assert len(set(within)) == len(within), "told apart without colour"
