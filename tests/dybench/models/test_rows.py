"""What the networks' upsamplers are counted to add, held to arithmetic and to the papers."""

import pytest
from torch import nn

from dybench.models.by_size import count_at, count_small
from dybench.models.hosts import built_in, parse
from dybench.models.rows import Counter, counted_rows, stage_case
from dybench.published import load_published
from dybench.sources import Source, resolve
from dysample import UPSAMPLERS


@pytest.fixture(scope="module")
def rows():
    sources = [resolve(name) for name in UPSAMPLERS]
    found = counted_rows(list(built_in().values()), sources)
    return {(row.model, row.upsampler): row for row in found}


PIXELS = 14_592  # of segformer-b1's six stages

# Per module at 256 channels: parameters, FLOPs a low-resolution pixel, FLOPs an image.
SEGFORMER = {
    "nearest": (0, 0, 0),
    "bilinear": (0, 4 * 256 * 4, 0),
    "bicubic": (0, 16 * 256 * 4, 0),
    "deconv": (9 * 256**2 + 256, 9 * 256**2, 0),
    "pixelshuffle": (2_360_320, 4 * 9 * 256**2, 0),
    "carafe": (74_148, 73_984 + 25_600, 0),
    "indexnet": (2_100_224, 2_099_200 + 4 * 256, 0),
    "a2u": (10_790, 18_724 + 9_216, (36 + 72) * 256),
    "fade": (47_514, 153_920 + 256 + 108 * 256, 0),
    "fade-lite": (13_332, 33_125 + 256 + 108 * 256, 0),
    "sapa-i": (0, 2 * 25_600, 0),
    "sapa-b": (17_472, 40_960 + 28_800, 0),
    "sapa-d": (139_808, 237_568 + 69_120, 0),
    "dysample": (8_224, 8_192 + 4_096, 0),
    "dysample+": (16_416, 16_384 + 4_096, 0),
    "dysample-s": (1_040, 4_096 + 4_096, 0),
    "dysample-s+": (2_064, 8_192 + 4_096, 0),
}


@pytest.mark.parametrize("upsampler", SEGFORMER)
def test_segformer_by_arithmetic(rows, upsampler):
    params, per_pixel, per_image = SEGFORMER[upsampler]
    row = rows["segformer-b1", upsampler]
    assert (row.status, row.modules) == ("ok", 6)
    assert row.added_params == 6 * params
    assert row.added_flops == per_pixel * PIXELS + per_image * 6
    assert row.flops_unsupported == {}


def test_every_upsampler_of_the_catalogue_is_held_to_arithmetic():
    assert set(SEGFORMER) == set(UPSAMPLERS)


# The figures that do not follow from the arithmetic, with what there is to say of them.
EXCEPTIONS = {
    ("segformer-b1", "deconv"): "parameters match; FLOPs printed 4× too high: counted per output "
    "pixel; true value 8.61 G",
    ("segformer-b1", "sapa-d"): "parameters match; published 5.3 G does not reproduce: 4.48 G",
    ("upernet-r50", "fade"): "published 0.1 M does not reproduce: 0.24 M",
    ("upernet-r50", "sapa-d"): "published 0.1 M does not reproduce: 0.84 M",
}

MAIN_FIGURES = [
    (model, upsampler)
    for model, host in load_published().models.items()
    for upsampler in host.delta
]


@pytest.mark.parametrize(("model", "upsampler"), MAIN_FIGURES)
def test_every_main_figure_reproduces_to_its_last_digit(rows, model, upsampler):
    row = rows[model, upsampler]
    main = row.published[0]
    assert (row.published_params, row.published_flops) == (main.params, main.flops)
    if (model, upsampler) in EXCEPTIONS:
        assert row.note.startswith(EXCEPTIONS[model, upsampler])
        assert False in (main.params_match, main.flops_match)
    else:
        assert main.verdict.startswith("matches")
        assert main.params_match is (None if main.params is None else True)
        assert main.flops_match is (None if main.flops is None else True)


# model, upsampler, printed parameters, printed FLOPs, figure by figure.
PRINTED = [
    ("segformer-b1", "deconv", 3.5e6, 34.4e9),
    ("segformer-b1", "pixelshuffle", 14.2e6, 34.4e9),
    ("segformer-b1", "carafe", 0.44e6, 1.45e9),
    ("segformer-b1", "indexnet", 12.60e6, 30.65e9),
    ("segformer-b1", "a2u", 0.06e6, 0.41e9),
    ("segformer-b1", "a2u", 0.12e6, 0.41e9),
    ("segformer-b1", "a2u", 0.1e6, 0.4e9),
    ("segformer-b1", "fade", 0.29e6, 2.65e9),
    ("segformer-b1", "fade", 0.3e6, 2.7e9),
    ("segformer-b1", "fade-lite", 80e3, 0.89e9),
    ("segformer-b1", "sapa-i", 0, 0.75e9),
    ("segformer-b1", "sapa-b", 0.1e6, 1.02e9),
    ("segformer-b1", "sapa-d", 0.8e6, 5.3e9),
    ("segformer-b1", "dysample", 49.2e3, None),
    ("segformer-b1", "dysample-s", 6.1e3, None),
    ("segformer-b1", "dysample-s+", 12.3e3, None),
    ("faster-rcnn-r50", "dysample", 32.7e3, None),
    ("faster-rcnn-r50", "dysample+", 65.5e3, None),
    *(
        ("faster-rcnn-r50", name, params * 1e6, None)
        for name, params in {
            "deconv": 2.4, "pixelshuffle": 9.4, "carafe": 0.3, "indexnet": 8.4, "a2u": 0.1,
            "fade": 0.2, "sapa-b": 0.1, "sapa-d": 0.6,
        }.items()
    ),
    *(
        ("faster-rcnn-r50", name, params * 1e6, None)
        for name, params in {"carafe": 0.22, "indexnet": 6.30, "a2u": 0.03, "sapa-b": 0.05}.items()
    ),
    ("panoptic-fpn-r50", "dysample", 24.6e3, None),
    ("panoptic-fpn-r50", "dysample+", 49.2e3, None),
    *(
        ("upernet-r50", name, params * 1e6, None)
        for name, params in {
            "deconv": 7.1, "pixelshuffle": 28.3, "carafe": 0.3, "indexnet": 25.2, "a2u": 0.1,
            "fade": 0.1, "sapa-b": 0.1, "sapa-d": 0.1,
        }.items()
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "upsampler", "params", "flops"), PRINTED)
def test_every_printed_figure_is_compared(rows, model, upsampler, params, flops):
    compared = rows[model, upsampler].published
    printed = [(c.params, c.flops) for c in compared]
    expected = (pytest.approx(params), None if flops is None else pytest.approx(flops))
    assert any(pair == expected for pair in printed)
    if (model, upsampler) not in EXCEPTIONS:
        (found,) = [c for c in compared if (c.params, c.flops) == expected]
        assert found.params_match
        assert found.flops_match is not False


def test_the_figures_printed_elsewhere_that_do_not_reproduce(rows):
    wrong = {
        (model, upsampler, c.printed): c.verdict
        for (model, upsampler), row in rows.items()
        for c in row.published[1:]
        if False in (c.params_match, c.flops_match)
    }
    assert wrong == {
        ("segformer-b1", "pixelshuffle", "3.5 M, 34.4 G"): "FLOPs match; published 3.5 M does not "
        "reproduce: 14.16 M; the row of deconv above it, copied",
        ("segformer-b1", "indexnet", "12.6 M, 30.7 G"): "parameters match; published 30.7 G does "
        "not reproduce: 30.65 G; 30.646 rounded twice",
        ("segformer-b1", "sapa-i", "0 M, 0.8 G"): "parameters match; published 0.8 G does not "
        "reproduce: 0.75 G; 0.747 rounded twice",
    }


def test_the_conditions_of_dysample(rows):
    assert rows["faster-rcnn-r50", "dysample"].note == "matches (weights only, truncated)"
    assert rows["panoptic-fpn-r50", "dysample+"].note == "matches (weights only)"
    assert rows["segformer-b1", "dysample-s"].added_params_weights == 6_144


def test_the_loop_form_of_a2u_is_that_of_the_fade_authors():
    (fade, _) = load_published().models["segformer-b1"].also["a2u"]
    assert fade.module_params == 78 * 256 + 74
    faster = load_published().models["faster-rcnn-r50"].delta["a2u"]
    assert faster.module_params == fade.module_params


def test_nothing_is_published_for_an_upsampler_that_no_one_printed(rows):
    row = rows["segformer-b1", "bicubic"]
    assert (row.published, row.note) == ([], "")
    assert (row.published_params, row.published_flops) == (None, None)


def test_memory_is_that_of_the_largest_stage(rows):
    row = rows["segformer-b1", "nearest"]
    assert row.added_memory_bytes == 4 * 256 * 128 * 128
    assert row.added_memory_kind == "cuda predicted"


@pytest.mark.parametrize("upsampler", ["carafe", "a2u", "sapa-d", "dysample-s+"])
def test_flops_found_on_small_maps_are_those_of_the_real_stage(upsampler):
    source, model = resolve(upsampler), built_in()["faster-rcnn-r50"]
    case = stage_case(model, model.stages[1], source, "cpu")
    by_size = count_small(case, source)
    assert by_size is not None
    assert by_size.at(25 * 38) == count_at(case, source).total


class _Bordered(nn.Module):
    """Costs more at the border, so its FLOPs are not those of small maps scaled up."""

    def __init__(self, in_channels, scale=2):
        super().__init__()
        self.up = nn.Upsample(scale_factor=scale)
        self.row = nn.Conv1d(in_channels, in_channels, 1)

    def forward(self, x):
        return self.up(x) + self.row(x[:, :, 0])[:, :, None].mean()


HOST = '[mine]\ntitle = "mine"\nchannels = 8\nstages = [{size = [6, 10]}, {size = [12, 20]}]'


def test_flops_that_do_not_scale_with_the_pixels_are_counted_on_the_real_stage():
    source = Source("bordered", _Bordered)
    (model,) = parse(HOST, "x").values()
    case = stage_case(model, model.stages[0], source, "meta")
    assert count_small(case, source) is None
    assert Counter().count(case, source).flops == 8 * 8 * 10
    (row,) = counted_rows([model], [source])
    assert (row.status, row.added_flops) == ("ok", 8 * 8 * (10 + 20))


def test_what_does_not_suit_a_network_is_a_skipped_row():
    text = HOST.replace("channels = 8", "channels = 30").replace("[12, 20]", "[12, 20], scale = 3")
    (model,) = parse(text, "x").values()
    found = counted_rows([model], [resolve(n) for n in ("dysample", "deconv", "fade", "bicubic")])
    dysample, deconv, fade, bicubic = found
    assert (dysample.status, dysample.reason) == (
        "skipped",
        "`in_channels` (=30) must be divisible by `groups` (=4)",
    )
    assert (deconv.status, deconv.reason) == ("skipped", "`scale` (=3) must be one of 2")
    assert (fade.status, fade.reason) == ("skipped", "needs a guide, and stage 6×10 has none")
    assert (bicubic.status, bicubic.reason) == ("ok", "")
    assert dysample.added_params is None
    assert dysample.published == []


def test_a_guide_of_its_own_width_reaches_the_upsampler():
    text = HOST.replace("[6, 10]", '[6, 10], guide = "c1", guide_channels = 5')
    (model,) = parse(text, "x").values()
    case = stage_case(model, model.stages[0], resolve("sapa-d"), "meta")
    assert case.options == {"guide_channels": 5}
    wider = stage_case(model, model.stages[0], resolve("dysample"), "meta")
    assert wider.options == {}
    counted = Counter().count(case, resolve("sapa-d"))
    assert counted.params == (5 + 1) * 128 + (8 + 1) * (128 + 2 * 4 * 9 * 4)


def test_a_plug_in_that_raises_is_a_failed_row():
    class Broken(nn.Module):
        def __init__(self, in_channels, scale):
            super().__init__()

        def forward(self, x):
            raise RuntimeError("no\nluck")

    (model,) = parse(HOST, "x").values()
    (row,) = counted_rows([model], [Source("broken", Broken)])
    assert (row.status, row.reason) == ("failed", "RuntimeError: no")
