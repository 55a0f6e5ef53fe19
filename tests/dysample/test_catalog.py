"""The table of upsamplers, and building from it."""

from __future__ import annotations

import dataclasses

import pytest

from dysample import UPSAMPLERS, DySample, build_upsampler

GUIDELESS = [name for name, entry in UPSAMPLERS.items() if not entry.guided]


def test_the_first_set_is_there():
    static = ["nearest", "bilinear", "bicubic", "deconv", "pixelshuffle"]
    family = ["dysample", "dysample+", "dysample-s", "dysample-s+"]
    assert set(static + family) <= set(GUIDELESS)


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_a_row_is_complete(name):
    entry = UPSAMPLERS[name]
    assert entry.title
    assert entry.params_formula
    assert entry.citation
    assert "\n" not in entry.citation
    assert set(entry.options) <= set(entry.allowed_options())
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.title = "other"


@pytest.mark.parametrize(
    ("name", "style", "groups", "dyscope"),
    [
        ("dysample", "lp", 4, False),
        ("dysample+", "lp", 4, True),
        ("dysample-s", "pl", 8, False),
        ("dysample-s+", "pl", 8, True),
    ],
)
def test_the_four_dysamples(name, style, groups, dyscope):
    module = build_upsampler(name, 72, 3)
    assert isinstance(module, DySample)
    assert (module.style, module.groups, module.dyscope) == (style, groups, dyscope)
    assert (module.in_channels, module.scale) == (72, 3)


def test_options_override_what_the_name_presets():
    assert build_upsampler("dysample", 16, groups=2).groups == 2
    assert build_upsampler("bilinear", 16, align_corners=True).align_corners is True


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_an_option_that_is_none(name):
    with pytest.raises(TypeError, match=f"^`grups` is no option of {name.replace('+', '.')}; its"):
        build_upsampler(name, 64, grups=2)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"`name` \(='dysampel'\) .*did you mean 'dysample'\?$"):
        build_upsampler("dysampel", 16)
    with pytest.raises(ValueError, match=r"must be one of nearest, bilinear, [^;]*$"):
        build_upsampler("zzz", 16)


def test_a_scale_that_an_upsampler_does_not_have():
    with pytest.raises(ValueError, match=r"^`scale` \(=3\) must be one of 2$"):
        build_upsampler("deconv", 16, 3)
    with pytest.raises(TypeError, match=r"^`scale` \(=2.0\) must be an integer"):
        build_upsampler("nearest", 16, 2.0)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        UPSAMPLERS["mine"] = UPSAMPLERS["nearest"]
