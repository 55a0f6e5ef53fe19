"""Upsamplers take the places of interpolation layers, and nothing else about a model changes."""

from __future__ import annotations

import re
from collections import UserDict

import pytest
import torch
from monai.networks.nets import BasicUNet
from torch import nn

from dysample import CARAFE, Bilinear, DySample, build_upsampler, replace_upsample


def unet():
    return BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=2,
        features=(8, 8, 16, 16, 32, 8),
        upsample="nontrainable",
    )


class Net(nn.Module):
    """One convolution to 8 channels, then what is given."""

    def __init__(self, *after):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.after = nn.Sequential(*after)

    def forward(self, x):
        return self.after(self.norm(self.stem(x)))


X = torch.linspace(-1, 1, 2 * 3 * 4 * 5).view(2, 3, 4, 5)


def state(model):
    """What a model remembers: its weights and statistics, its modes, its hooks."""
    return (
        {name: tensor.clone() for name, tensor in model.state_dict().items()},
        [(name, type(part), part.training) for name, part in model.named_modules()],
        [len(part._forward_pre_hooks) for part in model.modules()],
    )


def assert_same_state(model, before):
    weights, modules, hooks = state(model)
    assert (modules, hooks) == before[1:]
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, before[0][name], rtol=0, atol=0)


def test_every_layer_of_a_real_network_is_replaced():
    model, x = unet(), torch.randn(2, 1, 48, 32)
    before = model(x)
    done = replace_upsample(model, "dysample", example_inputs=x)
    names = [f"upcat_{level}.upsample.upsample_non_trainable" for level in (4, 3, 2, 1)]
    assert list(done.replaced) == names
    assert done.left == {}
    assert not any(isinstance(part, nn.Upsample) for part in model.modules())
    channels = [done.replaced[name].upsampler.in_channels for name in names]
    assert channels == [16, 8, 8, 8]  # half of what enters, but for the last
    for name, (layer, upsampler) in done.replaced.items():
        assert model.get_submodule(name) is upsampler
        assert isinstance(layer, nn.Upsample)
        assert isinstance(upsampler, DySample)
    after = model(x)
    assert after.shape == before.shape
    after.square().mean().backward()
    assert all(new.upsampler.offset.weight.grad is not None for new in done.replaced.values())


def test_bilinear_in_the_place_of_bilinear_changes_nothing():
    model, x = unet().eval(), torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        before = model(x)
        done = replace_upsample(model, "bilinear", example_inputs=x)
        assert all(isinstance(new.upsampler, Bilinear) for new in done.replaced.values())
        # MONAI's layers align corners.
        for new in done.replaced.values():
            new.upsampler.align_corners = new.layer.align_corners
        torch.testing.assert_close(model(x), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample(scale_factor=2),
        nn.Upsample(scale_factor=(2.0, 2.0), mode="bicubic"),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.UpsamplingBilinear2d(scale_factor=2),
    ],
)
def test_every_mode_is_replaced(layer):
    model = Net(layer)
    replace_upsample(model, "carafe", example_inputs=X, compressed_channels=4)
    assert isinstance(model.after[0], CARAFE)
    assert model(X).shape == (2, 8, 8, 10)


def test_the_model_is_otherwise_as_it_was():
    model = Net(nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=1.5), nn.Dropout())
    model.norm.eval()
    model.after[1].register_forward_pre_hook(lambda layer, args: None)
    weights, modules, hooks = state(model)
    replace_upsample(model, example_inputs=X)
    after = state(model)
    torch.testing.assert_close({name: after[0][name] for name in weights}, weights, rtol=0, atol=0)
    assert [entry for entry in after[1] if not entry[0].startswith("after.0")] == [
        entry for entry in modules if not entry[0].startswith("after.0")
    ]
    assert sum(after[2]) == sum(hooks) == 1


def test_dtype_layout_and_mode_are_taken_over():
    model = Net(nn.Upsample(scale_factor=2)).double().to(memory_format=torch.channels_last)
    model.after[0].eval()
    x = X.double().contiguous(memory_format=torch.channels_last)
    (new,) = replace_upsample(model, "deconv", example_inputs=x).replaced.values()
    assert new.upsampler.weight.dtype is torch.float64
    assert new.upsampler.weight.is_contiguous(memory_format=torch.channels_last)
    assert not new.upsampler.training
    assert model.training
    assert model(x).is_contiguous(memory_format=torch.channels_last)


def test_the_device_is_taken_over():
    model = Net(nn.Upsample(scale_factor=2)).to("meta")
    (new,) = replace_upsample(model, example_inputs=X.to("meta")).replaced.values()
    assert new.upsampler.offset.weight.is_meta


def test_autocast_does_not_make_half_precision_parameters():
    class Cast(Net):
        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return super().forward(x)

    model = Cast(nn.Conv2d(8, 8, 1), nn.Upsample(scale_factor=2))
    (new,) = replace_upsample(model, example_inputs=X).replaced.values()
    assert new.upsampler.offset.weight.dtype is torch.float32
    assert model(X).dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Upsample(size=(7, 9)), r"it has a target size \(=\(7, 9\)\), not a factor"),
        (nn.Upsample(scale_factor=1.5), r"its factor \(=1.5\) is not an integer above 1"),
        (nn.Upsample(scale_factor=1), r"its factor \(=1.0\) is not an integer above 1"),
        (nn.Upsample(scale_factor=(2, 3)), r"its factor \(=\(2.0, 3.0\)\) is not the same in all"),
        (type("Mine", (nn.Upsample,), {})(scale_factor=2), "a Mine, which may do more"),
    ],
)
def test_what_cannot_be_replaced_is_left_and_told(layer, reason):
    model = Net(layer)
    done = replace_upsample(model, example_inputs=X)
    assert model.after[0] is layer
    assert done.replaced == {}
    (told,) = done.left.values()
    assert re.match(reason, told)


def test_volumes_and_layers_that_are_not_reached_are_left_and_told():
    class Volume(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.Upsample(scale_factor=2, mode="trilinear")
            self.idle = nn.Upsample(scale_factor=2)

        def forward(self, x):
            return self.up(x)

    done = replace_upsample(Volume(), example_inputs=(torch.zeros(1, 2, 3, 4, 5),))
    assert done == (
        {},
        {
            "up": "it gets a map of shape (1, 2, 3, 4, 5), not (N, C, H, W)",
            "idle": "the example inputs do not reach it",
        },
    )


class Twice(nn.Module):
    """One layer, registered in two places, and one of them called on two widths if `wide`."""

    def __init__(self, wide):
        super().__init__()
        self.one = self.two = nn.Upsample(scale_factor=2)
        self.wide = wide

    def forward(self, *, x):
        first, second = self.one(x), self.two(x[:, :4])
        return first, second, self.two(x if self.wide else x[:, 4:])


def test_a_shared_layer_becomes_one_upsampler_for_each_place():
    model = Twice(wide=False)
    done = replace_upsample(model, example_inputs={"x": torch.randn(1, 8, 3, 3)})
    assert (model.one.in_channels, model.two.in_channels) == (8, 4)
    assert done.replaced["one"].layer is done.replaced["two"].layer


def test_a_place_with_two_widths_is_an_error_that_leaves_the_model_alone():
    model = Twice(wide=True)
    before = state(model)
    message = r"two is called with maps of \[4, 8\] channels, .* `exclude` it"
    with pytest.raises(ValueError, match=message):
        replace_upsample(model, example_inputs={"x": torch.randn(1, 8, 3, 3)})
    assert_same_state(model, before)
    assert model.one is model.two
    done = replace_upsample(model, example_inputs={"x": torch.randn(1, 8, 3, 3)}, exclude=("two",))
    assert done.left == {"two": "excluded"}
    assert list(done.replaced) == ["one"]


def test_a_forward_pass_that_fails_leaves_the_model_as_it_was():
    model = Net(nn.Upsample(scale_factor=2), nn.Conv2d(9, 1, 1))
    layer, before = model.after[0], state(model)
    with pytest.raises(RuntimeError, match="9 channels"):
        replace_upsample(model, example_inputs=X)
    assert_same_state(model, before)
    assert model.after[0] is layer


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "fade"}, ValueError, r"`name` \(='fade'\) must be an upsampler without a guide"),
        ({"name": "dysampel"}, ValueError, "did you mean 'dysample'"),
        ({"group": 4}, TypeError, "`group` is no option of dysample"),
        ({"groups": 3}, ValueError, r"after.0: `in_channels` \(=8\) must be divisible by `groups`"),
        ({"exclude": ("stem",)}, ValueError, r"`exclude` \(='stem'\) must name an nn.Upsample .*"),
        ({"exclude": "after"}, TypeError, r"must be a collection of names, not one string"),
    ],
)
def test_wrong_arguments_are_named_and_change_nothing(arguments, error, message):
    model = Net(nn.Upsample(scale_factor=2))
    layer, before = model.after[0], state(model)
    with pytest.raises(error, match=message):
        replace_upsample(model, example_inputs=X, **arguments)
    assert_same_state(model, before)
    assert model.after[0] is layer


def test_a_model_that_is_one_layer_cannot_hold_a_replacement():
    with pytest.raises(TypeError, match=r"`model` must hold .* and is one itself"):
        replace_upsample(nn.Upsample(scale_factor=2), example_inputs=X)


def test_exclude_takes_a_module_above():
    model = unet()
    done = replace_upsample(
        model, example_inputs=torch.zeros(1, 1, 32, 32), exclude=["upcat_1", "upcat_2"]
    )
    assert [name[:7] for name in done.replaced] == ["upcat_4", "upcat_3"]
    assert set(done.left.values()) == {"excluded"}


def test_fresh_dysample_starts_from_bilinear():
    """So a trained network still works right after its layers were replaced."""
    model = Net(nn.Upsample(scale_factor=2, mode="bilinear")).eval()
    before = model(X)
    (new,) = replace_upsample(model, example_inputs=X).replaced.values()
    nn.init.zeros_(new.upsampler.offset.weight)
    torch.testing.assert_close(model(X), before, rtol=0, atol=1e-5)
    assert build_upsampler("dysample", 8).groups == new.upsampler.groups


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x):
        return self.up(input=x)


def test_a_layer_called_by_keyword_is_left_and_told():
    model = ByKeyword()
    done = replace_upsample(model, "dysample", example_inputs=X[:, :1])
    assert not done.replaced
    assert "the keyword `input`" in done.left["up"]
    assert model(X).shape == (2, 3, 8, 10)


def test_any_mapping_holds_keyword_arguments():
    model = Net(nn.Upsample(scale_factor=2))
    done = replace_upsample(model, "dysample", example_inputs=UserDict(x=X))
    assert list(done.replaced) == ["after.0"]


def test_a_wrong_name_is_told_even_where_nothing_is_to_be_replaced():
    with pytest.raises(ValueError, match="did you mean 'dysample'"):
        replace_upsample(Net(), "dysampel", example_inputs=X)
