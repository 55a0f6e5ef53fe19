"""LaTeX that a document takes as it is: balanced, escaped, with a full row of cells a line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dybench.views.latex import escape, render
from tests.dybench.factories import make_cell, make_report
from tests.dybench.views.examples import example

# What may stand in the text: every special character is a command or escaped.
WORD = r"[^\\{}&%$#_~^<>|\"`]"
PIECE = rf"(?:{WORD}|\\[&%$#_{{}}]|\\text[a-z]+\{{\}}|\\dots\{{\}}|\{{[\[\]]\}}|~|\$[^$]*\$)"


def bodies(text):
    return re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)


def test_rows_of_a_small_report():
    ((columns, body),) = bodies(render(make_report(make_cell(["bilinear", "dysample"]))))
    assert columns == "lrrrrrr"
    lines = [line.strip() for line in body.splitlines()]
    assert lines == [
        r"\toprule",
        r"upsampler & params & FLOPs & peak memory & latency & $\times$ bilinear & mIoU \\",
        r"&  &  & CPU & median &  & published \\",
        r"&  & (G) & (MB) & (ms) &  & (\%) \\",
        r"\midrule",
        (
            r"bilinear & \textbf{0} & \textbf{0.05898} & \textbf{59.0} & 8.90 {[}8.81--8.99{]}"
            r" & 1.00 & 41.68 \\"
        ),
        (
            r"dysample $\star$ & 8,224 & 0.1769 & 60.8 & \textbf{5.70} {[}5.64--5.76{]}"
            r" & \textbf{0.64} {[}0.62--0.66{]} & \textbf{43.21} \\"
        ),
        r"\bottomrule",
        "",
    ]


def test_the_caption_names_cell_and_machine():
    text = render(make_report(make_cell(["bilinear"])))
    (caption,) = re.findall(r"\\caption\{(.*)\}", text)
    assert caption == (
        r"Upsamplers at 256 $\times$ 120 $\times$ 120, $\times$2, batch 1, float32, cpu, "
        "contiguous, inference, measured on Synthetic CPU, 2 threads, 2026-03-01 12:00."
    )


def test_every_row_is_full():
    for columns, body in bodies(render(example())):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 6
        for row in rows:
            cells = len(re.findall(r"(?<!\\)&", row)) + 1
            spanned = re.search(r"\\multicolumn\{(\d+)\}", row)
            assert cells + (int(spanned[1]) - 1 if spanned else 0) == len(columns)


def test_environments_and_braces_close():
    text = render(example())
    environments = re.findall(r"\\(begin|end)\{(\w+\*?)\}", text)
    opened = []
    for what, name in environments:
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == 2


def test_nothing_is_left_that_pdflatex_cannot_set():
    assert render(example()).isascii()


def test_only_booktabs_is_needed():
    commands = set(re.findall(r"\\([a-zA-Z]+)", re.sub(r"(?m)^%.*$", "", render(example()))))
    assert {"toprule", "midrule", "bottomrule"} < commands
    assert not {"num", "qty", "SI", "resizebox", "makecell", "multirow"} & commands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50% & a_b #1 $x", r"50\% \& a\_b \#1 \$x"),
        (r"C:\dir {x}", r"C:\textbackslash{}dir \{x\}"),
        ("`in_channels` (=30)", r"\texttt{in\_channels} (=30)"),
        (
            "a ~ b ^ <c> | d",
            (
                r"a \textasciitilde{} b \textasciicircum{} \textless{}c\textgreater{} "
                r"\textbar{} d"
            ),
        ),
        ("[a]", "{[}a{]}"),
        ("two\nlines", "two lines"),
    ],
)
def test_special_characters_are_escaped(text, expected):
    assert escape(text) == expected


@given(st.text(st.characters(codec="ascii", exclude_characters="`")))
def test_no_special_character_gets_through(text):
    assert re.fullmatch(rf"{PIECE}*", escape(text))


def test_an_empty_report_is_a_comment():
    assert all(line.startswith("%") for line in render(make_report([])).splitlines() if line)
