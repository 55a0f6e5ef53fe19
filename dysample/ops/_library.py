"""What the torch operators of the window share: the library, and the ends of autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

LIBRARY: Any = torch.library.Library("dysample", "FRAGMENT")


class Context(Protocol):
    """What autograd keeps of a call between its forward and its backward."""

    settings: tuple[Any, ...]
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


def save_two(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    """Keep the two tensors that the operators begin with, and apart from them the settings."""
    ctx.save_for_backward(*inputs[:2])
    ctx.settings = inputs[2:]


def save_nothing(ctx: Context, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    """Keep nothing: there is no second derivative."""


def no_second_derivative(_ctx: Context, *_gradients: Tensor) -> None:
    """Raise: the gradients of the operators cannot be differentiated again."""
    raise NotImplementedError(
        "this operator has no second derivative; under "
        "`with dysample.ops.implementation('naive'):` there is one"
    )


def register(
    name: str,
    kernel: Callable[..., object],
    fake: Callable[..., object],
    save: Callable[..., None],
    backward: Callable[..., object],
) -> None:
    """Give the operator `name` of the library its kernel, its shapes and its gradients."""
    LIBRARY.impl(name, kernel, "CompositeExplicitAutograd")
    full = f"dysample::{name}"
    torch.library.register_fake(full, fake, lib=LIBRARY)
    torch.library.register_autograd(full, backward, setup_context=save, lib=LIBRARY)


def register_batches(name: str) -> None:
    """Let `torch.func.vmap` run the operator `name` once, its batch in that of the images.

    Every tensor of the operator, and its result, begins with the images.
    """
    operator = getattr(torch.ops.dysample, name).default

    def run(info: Any, dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:  # noqa: ANN401
        def folded(arg: Any, dim: int | None) -> Any:  # noqa: ANN401
            if not isinstance(arg, torch.Tensor):
                return arg
            if dim is None:
                arg = arg.unsqueeze(0).expand(info.batch_size, *arg.shape)
            else:
                arg = arg.movedim(dim, 0)
            return arg.flatten(0, 1)

        out = operator(*(folded(arg, dim) for arg, dim in zip(args, dims, strict=True)))
        return out.unflatten(0, (info.batch_size, -1)), 0

    torch.library.register_vmap(f"dysample::{name}", run, lib=LIBRARY)
