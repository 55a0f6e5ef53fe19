"""torch.func, torch.jit.trace and autocast take every upsampler, and change no value."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacfwd, jacrev, stack_module_state, vmap

from dysample import UPSAMPLERS, build_upsampler
from dysample.ops import affinity, offset_sample, point_sample, reassemble

CHANNELS = 32


def upsampler(name):
    torch.manual_seed(0)
    module = build_upsampler(name, CHANNELS).eval()
    for part in ("offset", "scope"):
        if name.startswith("dysample") and hasattr(module, part):
            nn.init.normal_(getattr(module, part).weight)
    return module


LAYOUTS = (torch.contiguous_format, torch.channels_last)


def maps(name, n=3, h=3, w=4, layout=torch.contiguous_format):
    x = torch.randn(n, CHANNELS, h, w).contiguous(memory_format=layout)
    return [x, torch.randn(n, CHANNELS, 2 * h, 2 * w)] if UPSAMPLERS[name].guided else [x]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UPSAMPLERS)
def test_gradients_of_each_image_are_those_of_autograd(name, layout):
    module = upsampler(name)
    x, *guide = maps(name, layout=layout)

    def loss(*image):
        return module(*(part[None] for part in image)).square().sum()

    found = vmap(grad(loss))(x, *guide)
    x.requires_grad_()
    module(x, *guide).square().sum().backward()
    torch.testing.assert_close(found, x.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "name", [n for n in UPSAMPLERS if next(upsampler(n).parameters(), None) is not None]
)
def test_an_ensemble_runs_as_one(name):
    members = [upsampler(name), upsampler(name)]
    with torch.no_grad():
        for parameter in members[1].parameters():
            parameter.mul_(1.1)
    args = maps(name, layout=torch.channels_last)
    with torch.no_grad():
        parameters, buffers = stack_module_state(members)
        found = vmap(lambda p, b: functional_call(members[0], (p, b), tuple(args)))(
            parameters, buffers
        )
        expected = torch.stack([member(*args) for member in members])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UPSAMPLERS)
def test_a_batch_of_batches_is_run_as_one(name, layout):
    """By the operators themselves, with a backward pass through them."""
    if name == "sapa-b" and layout is torch.channels_last:
        pytest.skip("torch's own group norm cannot do that")
    module = upsampler(name)
    args = [torch.stack([x, 2 * x]) for x in maps(name, n=2, layout=layout)]
    args[0].requires_grad_()
    expected = torch.stack([module(*each) for each in zip(*args, strict=True)])
    expected.square().sum().backward()
    wanted, args[0].grad = args[0].grad, None
    found = vmap(module)(*args)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    found.square().sum().backward()
    torch.testing.assert_close(args[0].grad, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vmap_runs_the_operator_and_not_its_definition(layout, monkeypatch):
    definition = importlib.import_module("dysample.ops.point_sample.naive")
    monkeypatch.setattr(definition, "offset_sample", None)
    module = upsampler("dysample")
    x = torch.randn(2, 3, 1, CHANNELS, 4, 5)
    with torch.no_grad():
        found = vmap(vmap(module))(x)
        expected = module(x.flatten(0, 2).contiguous(memory_format=layout))
    torch.testing.assert_close(found.flatten(0, 2), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # of torch's own
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["dysample", "carafe"])
def test_forward_and_reverse_mode_agree_on_the_jacobian(name, layout):
    module = upsampler(name).double()
    (x,) = maps(name, n=1, h=2, w=2, layout=layout)

    def means(values):
        return module(values).mean((0, 2, 3))

    torch.testing.assert_close(jacfwd(means)(x.double()), jacrev(means)(x.double()))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated")
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", UPSAMPLERS)
def test_a_trace_is_right_for_other_batches(name, gradients):
    module, args = upsampler(name), maps(name, n=1)
    with torch.set_grad_enabled(gradients):
        traced = torch.jit.trace(module, tuple(args))
    args = maps(name, n=3)
    with torch.no_grad():
        torch.testing.assert_close(traced(*args), module(*args), rtol=1e-4, atol=1e-5)


class ToLateral(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.up = upsampler(name)

    def forward(self, lateral, *args):
        return self.up(*args, size=lateral.shape[2:])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated")
@pytest.mark.parametrize("name", ["bilinear", "carafe", "fade", "dysample"])
def test_a_target_size_can_be_traced(name):
    module = ToLateral(name)
    with torch.no_grad():
        traced = torch.jit.trace(module, (torch.zeros(1, 1, 5, 7), *maps(name, n=1)))
        args = (torch.zeros(1, 1, 7, 9), *maps(name, n=1, h=4, w=5))
        torch.testing.assert_close(traced(*args), module(*args), rtol=1e-4, atol=1e-5)


def both(function, *tensors):
    """Return the results and gradients of `function`, with autocast and without."""
    found = []
    for enabled in (True, False):
        args = [tensor.clone().requires_grad_() for tensor in tensors]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = function(*args)
            out.square().sum().backward()
        found.append([out, *(arg.grad for arg in args)])
    return found


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("operator", ["affinity", "reassemble", "point_sample", "offset_sample"])
def test_autocast_makes_no_operator_less_exact(operator, layout):
    torch.manual_seed(0)
    x = torch.randn(2, 64, 5, 6).contiguous(memory_format=layout)
    large = torch.randn(2, 64, 10, 12).contiguous(memory_format=layout)
    if operator == "affinity":
        args = (lambda query, key: affinity(query, key, kernel_size=5), large, x)
    elif operator == "reassemble":
        args = (reassemble, x, torch.randn(2, 25, 10, 12))
    elif operator == "point_sample":
        positions = 6 * torch.rand(2, 2, 4, 10, 12)
        args = (point_sample, x, positions)
    else:
        offset = torch.randn(2, 32, 5, 6)
        args = (lambda x, o: offset_sample(x, o, scale=2, groups=4, style="lp"), x, offset)
    for found, expected in zip(*both(*args), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
