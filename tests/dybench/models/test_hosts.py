"""Networks as data: the built-in ones, and what a user's file may get wrong."""

import pytest

from dybench.errors import UsageError
from dybench.models.hosts import built_in, load_file, parse, select
from dybench.published import load_published

GOOD = """
[mine]
title = "My decoder"
channels = 64
stages = [
  {size = [8, 12], from = "deep", guide = "shallow", guide_channels = 32},
  {size = [16, 24], scale = 4, channels = 32},
]
"""

# name: channels, stages, low-resolution pixels
BUILT_IN = {
    "segformer-b1": (256, 6, 14_592),
    "faster-rcnn-r50": (256, 4, 13 * 19 + 25 * 38 + 50 * 76 + 100 * 152),
    "panoptic-fpn-r50": (256, 3, 25 * 38 + 50 * 76 + 100 * 152),
    "upernet-r50": (512, 3, 16**2 + 32**2 + 64**2),
    "maskformer-swin-b": (256, 3, 20**2 + 40**2 + 80**2),
    "mask2former-swin-b": (256, 1, 80**2),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_networks(name):
    model = built_in()[name]
    assert (model.channels, len(model.stages), model.pixels) == BUILT_IN[name]
    assert model.name == name
    assert all(stage.guide and stage.scale == 2 for stage in model.stages)


def test_there_are_no_other_built_in_networks():
    assert list(built_in()) == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_stages_lie_in_the_image(name):
    model = built_in()[name]
    for stage in model.stages:
        stride = int(stage.feature.partition("1/")[2])
        assert stage.size == tuple(-(-side // stride) for side in model.input)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_base_is_the_published_one(name):
    model, base = built_in()[name], load_published().models[name].base
    assert model.base_params == base.params
    assert model.base_flops == base.flops


def test_segformer_guides_run_from_coarse_to_fine():
    guides = [stage.guide for stage in built_in()["segformer-b1"].stages]
    assert guides == ["c3", "c2", "c1", "c2", "c1", "c1"]


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    (model,) = load_file(path).values()
    first, second = model.stages
    assert (model.name, model.title, model.pixels) == ("mine", "My decoder", 8 * 12 + 16 * 24)
    assert (first.feature, first.guide, first.guide_channels) == ("deep", "shallow", 32)
    assert (second.scale, second.channels, second.guide) == (4, 32, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("channels = 64", "channels = 0"), "`int` >= 1 - at `$.channels`"),
        (("channels = 64", 'channels = "many"'), "expected `int`, got `str` - at `$.channels`"),
        (("channels = 64\n", ""), "missing required field `channels`"),
        (("size = [8, 12]", "size = [8]"), "at `$.stages[0].size`"),
        (("scale = 4", "scael = 4"), "unknown field `scael` - at `$.stages[1]`"),
        (('title = "My decoder"', 'title = ""'), "at `$.title`"),
        (("[mine]", 'name = "mine"'), "`name` stands outside a table"),
        (("[mine]", '[mine]\nname = "yours"'), "needs no `name`"),
        (("[mine]", "[mine"), "is not valid TOML"),
        ((GOOD, ""), "describes no model"),
    ],
)
def test_what_a_file_gets_wrong_is_one_line_naming_it(change, message):
    with pytest.raises(UsageError) as caught:
        parse(GOOD.replace(*change), "mine.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.toml")
    assert "\n" not in str(caught.value)


def test_no_stages_is_refused():
    with pytest.raises(UsageError, match=r"\[mine\] .*at `\$.stages`"):
        parse('[mine]\ntitle = "x"\nchannels = 4\nstages = []', "mine.toml")


def test_a_built_in_name_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("[mine]", "[segformer-b1]"))
    with pytest.raises(UsageError, match="'segformer-b1' is a built-in model"):
        load_file(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_an_unreadable_file_is_one_line(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read .*mine.toml|is not a text file"):
        load_file(path)


def test_select_takes_each_name_once_and_all_without_one():
    models = built_in()
    assert [m.name for m in select(models, ["upernet-r50", "upernet-r50"])] == ["upernet-r50"]
    assert [m.name for m in select(models, [])] == list(models)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'segformer-b1'"):
        select(built_in(), ["segformer"])
