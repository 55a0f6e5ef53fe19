"""The authors' figures: typed, complete, each with its source, and agreeing with one another."""

import json
from importlib.resources import files

import msgspec
import pytest

from dybench.published import load_published, parse


@pytest.fixture
def raw():
    return json.loads(files("dybench").joinpath("published.json").read_text("utf-8"))


def test_figure_1_has_its_ten_points():
    figure = load_published().figure_1
    assert len(figure.points) == 10
    assert "ICCV 2023" in figure.source
    point = load_published().point("dysample-s+")
    assert (point.latency_ms, point.miou) == (7.6, 43.58)


@pytest.mark.parametrize(
    ("upsampler", "miou"),
    [("dysample", 43.21), ("indexnet", 41.50), ("a2u", 41.45), ("sapa-i", 43.05)],
)
def test_miou_from_the_figure_or_elsewhere(upsampler, miou):
    assert load_published().miou(upsampler) == miou


@pytest.mark.parametrize("upsampler", ["nearest", "bicubic", "sapa-d", "fade-lite", "mine.py:Up"])
def test_no_miou_is_invented(upsampler):
    assert load_published().miou(upsampler) is None


def test_the_two_sources_of_miou_agree():
    published = load_published()
    both = {p.upsampler: p.miou for p in published.figure_1.points}
    shared = both.keys() & published.miou_elsewhere.keys()
    assert shared == {"bilinear", "carafe", "sapa-b"}
    assert all(both[name] == published.miou_elsewhere[name].miou for name in shared)


def test_model_deltas_in_plain_numbers():
    delta = load_published().models["segformer-b1"].delta
    assert delta["dysample"].params == pytest.approx(49_200)
    assert delta["carafe"].params == pytest.approx(440_000)
    assert delta["dysample"].gflops is None
    assert "4x too high" in delta["deconv"].note


def test_every_block_names_its_source():
    published = load_published()
    sources = [published.figure_1.source, published.miou_elsewhere_source]
    sources += [published.accuracy_source, *(m.source for m in published.models.values())]
    assert all(len(source) > 10 for source in sources)


@pytest.mark.parametrize("block", ["figure_1", "miou_elsewhere", "accuracy"])
def test_a_block_without_source_is_refused(raw, block):
    del raw[block]["source"]
    with pytest.raises(msgspec.ValidationError, match="source"):
        parse(raw)


def test_a_misspelt_field_is_refused(raw):
    raw["models"]["segformer-b1"]["delta"]["carafe"]["gflop"] = 1.0
    with pytest.raises(msgspec.ValidationError, match="gflop"):
        parse(raw)
