"""How figures look: one literal table of styles, fonts that embed, bytes that repeat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 300
FONT_PT = 8.0
SMALL_PT = 7.0
PAPER_COLOUR = "#8C8C8C"
REPORT_LINES = ("-", "-", "--", ":")  # bubble outlines; the first report's bubbles are filled

RC: Any = {  # matplotlib types its keys one by one since 3.11 and not before
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same width on every machine
    "font.size": FONT_PT,
    "axes.labelsize": FONT_PT,
    "axes.titlesize": FONT_PT,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": SMALL_PT,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a `$` in a user's upsampler is a `$`
    "svg.fonttype": "none",
    "svg.hashsalt": "dybench",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Style:
    """How one upsampler is drawn; the shape alone tells it from others of its colour."""

    title: str
    colour: str
    marker: str
    line: Any = "-"


_DASH, _DOT, _DASHDOT = (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2))

# Okabe and Ito's palette (jfly.uni-koeln.de/color); one hue a family, shades within it.
STYLES: dict[str, Style] = {
    "nearest": Style("nearest", "#8A8A8A", "s", _DOT),
    "bilinear": Style("bilinear", "#000000", "s"),
    "bicubic": Style("bicubic", "#4D4D4D", "D", _DASH),
    "deconv": Style("deconv", "#56B4E9", "v"),
    "pixelshuffle": Style("pixel shuffle", "#0072B2", "^"),
    "carafe": Style("CARAFE", "#E69F00", "p"),
    "indexnet": Style("IndexNet", "#A89A00", "h", _DASH),
    "a2u": Style("A2U", "#7A5C3A", "D", _DASHDOT),
    "fade": Style("FADE", "#009E73", "P"),
    "fade-lite": Style("FADE-Lite", "#5CC9A7", "P", _DASH),
    "sapa-i": Style("SAPA-I", "#F09A5E", "<", _DOT),
    "sapa-b": Style("SAPA-B", "#D55E00", "<"),
    "sapa-d": Style("SAPA-D", "#8F3F00", ">", _DASH),
    "dysample": Style("DySample", "#CC79A7", "o"),
    "dysample+": Style("DySample+", "#A8447E", "*", _DASH),
    "dysample-s": Style("DySample-S", "#DB9CC1", "d", _DOT),
    "dysample-s+": Style("DySample-S+", "#752255", "X", _DASHDOT),
}
_OTHERS = ("#332288", "#117733", "#882255", "#44AA99", "#999933")  # Tol's muted, for users' own


def title_of(upsampler: str) -> str:
    """The upsampler's name in a figure: the class alone for `pkg.module:Class`."""
    if upsampler in STYLES:
        return STYLES[upsampler].title
    return upsampler.rpartition(":")[2] or upsampler


def style_of(upsampler: str, others: list[str]) -> Style:
    """The upsampler's style; users' own take theirs by their place in `others`."""
    if upsampler in STYLES:
        return STYLES[upsampler]
    place = others.index(upsampler) % len(_OTHERS)
    return Style(title_of(upsampler), _OTHERS[place], ("H", "X", "D", "v", "^")[place], _DASHDOT)


@cache
def text_size(text: str, size_pt: float) -> tuple[float, float]:
    """Width and height, in points, of a line of text as it will be rendered."""
    probe = Figure(figsize=(0.1, 0.1), dpi=DPI)
    renderer = FigureCanvasAgg(probe).get_renderer()  # type: ignore[no-untyped-call]
    with rc_context(RC):
        artist = Text(0, 0, text, fontsize=size_pt)
        artist.set_figure(probe)
        box = artist.get_window_extent(renderer)
    return box.width * 72 / DPI, box.height * 72 / DPI


def render(figure: Figure, suffix: str) -> bytes:
    """The figure as a PNG, SVG or PDF file, the same bytes each time. `suffix` is one of SUFFIXES.

    Raises:
        ValueError: if the suffix is another.
    """
    undated: dict[str, Any] = {
        ".png": {"Software": None},
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }
    if suffix not in undated:
        raise ValueError(f"`suffix` (={suffix!r}) must be one of {', '.join(SUFFIXES)}")
    buffer = BytesIO()
    with rc_context(RC):
        figure.savefig(buffer, format=suffix[1:], dpi=DPI, metadata=undated[suffix])
    return buffer.getvalue()
