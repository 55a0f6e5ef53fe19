"""FLOPs of one forward, counted by fvcore with handlers for what it skips or gets wrong.

One multiply-add is one FLOP, as in fvcore and in the upsampling papers. So: convolutions, matrix
products and the taps of resampling count; a product of two tensors counts one per element of the
result; scaling by a number, additions, pooling, norms, activations, softmax and moving data do
not. An operator that no handler knows is named in the count, never silently taken as nothing.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    Handle = Callable[[Sequence[Any], Sequence[Any]], int]


class FlopCount(NamedTuple):
    """FLOPs of one forward and where they come from.

    Attributes:
        total: the sum over operators.
        by_operator: FLOPs by operator; only those above 0.
        unsupported: operators that no handler knows, and how often each ran.
        operator_counts: how often each operator ran, whatever it costs.
    """

    total: int
    by_operator: dict[str, int]
    unsupported: dict[str, int]
    operator_counts: dict[str, int]


def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> FlopCount:
    """Count the FLOPs of `module(*inputs)` in `eval()` mode, leaving `module` as it was.

    The count follows the operators of one traced forward; the operators of `dysample` count by
    their definition, so the figure does not depend on which of their implementations runs.
    """
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning):  # fvcore's own, on import
            warnings.simplefilter("ignore", kind)
        from fvcore.nn import FlopCountAnalysis, jit_handles

    handlers = HANDLERS | dict.fromkeys(FREE, _free)
    handlers["aten::_convolution"] = jit_handles.conv_flop_jit
    handlers["aten::addmm"] = jit_handles.addmm_flop_jit
    handlers["aten::linear"] = jit_handles.linear_flop_jit
    seen: Counter[str] = Counter()
    hooks = _hooks(module)
    training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        analysis = FlopCountAnalysis(module, inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        analysis.set_op_handle(**_recorded(handlers, seen))
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flops = analysis.by_operator()
            unsupported = analysis.unsupported_ops()
    finally:
        _drop_new_hooks(hooks)
        for submodule in training:
            submodule.training = True
    by_operator = {name: int(number) for name, number in sorted(flops.items()) if number}
    seen.update(unsupported)
    return FlopCount(
        total=sum(by_operator.values()),
        by_operator=by_operator,
        unsupported=dict(sorted(unsupported.items())),
        operator_counts=dict(sorted(seen.items())),
    )


def _recorded(handlers: dict[str, Handle], seen: Counter[str]) -> dict[str, Handle]:
    def recording(name: str, handle: Handle) -> Handle:
        def run(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
            seen[name] += 1
            return handle(inputs, outputs)

        return run

    return {name: recording(name, handle) for name, handle in handlers.items()}


def _hooks(module: nn.Module) -> dict[tuple[nn.Module, str], set[int]]:
    kinds = ("_forward_hooks", "_forward_pre_hooks")
    return {(m, kind): set(getattr(m, kind)) for m in module.modules() for kind in kinds}


def _drop_new_hooks(before: dict[tuple[nn.Module, str], set[int]]) -> None:
    """Take off the hooks that fvcore leaves on when a forward raises."""
    for (submodule, kind), known in before.items():
        hooks = getattr(submodule, kind)
        for key in [key for key in hooks if key not in known]:
            del hooks[key]


def _shape(value: Any) -> list[int]:  # noqa: ANN401 - torch._C.Value has no public type
    sizes = value.type().sizes() if value.isCompleteTensor() else None
    return [] if sizes is None else list(sizes)


def _numel(value: Any) -> int:  # noqa: ANN401
    return math.prod(_shape(value))


def _free(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:  # noqa: ARG001
    return 0


def _per_output(flops: int) -> Handle:
    def handle(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:  # noqa: ARG001
        return flops * _numel(outputs[0])

    return handle


def _product(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """`a * b`: one per element of the result, unless one of the two is a plain number."""
    scalar = any(not _shape(value) for value in inputs[:2])
    return 0 if scalar else _numel(outputs[0])


def _multiply_accumulate(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """`addcmul(a, b, c)`."""
    return _product(inputs[1:3], outputs)


def _lerp(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    return _product([inputs[0], inputs[2]], outputs)


def _grid_sampler(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    taps = {0: 4, 1: 0, 2: 16}[inputs[2].toIValue()]  # bilinear, nearest, bicubic
    return taps * _numel(outputs[0])


def _matmul(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Batched and broadcast alike: every element of the result sums over the shared axis."""
    return _numel(outputs[0]) * _shape(inputs[0])[-1]


def _baddbmm(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    return _matmul(inputs[1:], outputs)


def _einsum(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:  # noqa: ARG001
    """Operands are contracted from left to right, each step over the axes it can sum away."""
    left, _, right = inputs[0].toIValue().replace(" ", "").partition("->")
    terms = left.split(",")
    shapes = [_shape(value) for value in inputs[1].node().inputs()]
    if "..." in left:
        raise NotImplementedError("einsum with an ellipsis")
    size: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for axis, length in zip(term, shape, strict=True):
            size[axis] = max(length, size.get(axis, 1))
    if "->" not in inputs[0].toIValue():
        right = "".join(axis for axis in sorted(size) if left.count(axis) == 1)
    flops, so_far = 0, set(terms[0])
    for position, term in enumerate(terms[1:], start=2):
        step = so_far | set(term)
        flops += math.prod(size[axis] for axis in step)
        later = set(right).union(*terms[position:])
        so_far = step & later
    return flops


def _embedding_bag(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:  # noqa: ARG001
    """A weighted bag multiplies each row it reads; a plain sum only adds."""
    rows, indices, weights = inputs[0], inputs[1], inputs[6]
    return _numel(indices) * _shape(rows)[-1] if _shape(weights) else 0


def _attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:  # noqa: ARG001
    query, key, value = (_shape(v) for v in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _point_sample(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    """Four taps a point, and one product more a point where points are weighted."""
    positions = _shape(inputs[1])
    points = positions[3] if len(positions) == 6 else 1
    weighted = len(positions) == 6
    return _numel(outputs[0]) * points * (5 if weighted else 4)


def _reassemble(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    groups: int = inputs[2].toIValue()
    return _numel(outputs[0]) * (_shape(inputs[1])[1] // groups)


def _affinity(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    return _numel(outputs[0]) * _shape(inputs[0])[1]


HANDLERS: dict[str, Handle] = {
    "aten::mul": _product,
    "aten::mul_": _product,
    "aten::addcmul": _multiply_accumulate,
    "aten::addcmul_": _multiply_accumulate,
    "aten::lerp": _lerp,
    "aten::dot": lambda inputs, _: _numel(inputs[0]),
    "aten::mv": lambda inputs, _: _numel(inputs[0]),
    "aten::mm": _matmul,
    "aten::bmm": _matmul,
    "aten::matmul": _matmul,
    "aten::baddbmm": _baddbmm,
    "aten::einsum": _einsum,
    "aten::scaled_dot_product_attention": _attention,
    "aten::embedding_bag": _embedding_bag,
    "aten::grid_sampler": _grid_sampler,
    "aten::grid_sampler_2d": _grid_sampler,
    "aten::upsample_nearest2d": _free,
    "aten::upsample_bilinear2d": _per_output(4),
    "aten::upsample_bicubic2d": _per_output(16),
    "dysample::offset_sample": _per_output(4),
    "dysample::point_sample": _point_sample,
    "dysample::reassemble": _reassemble,
    "dysample::affinity": _affinity,
}

# Nothing is multiplied pairwise here: additions, statistics, activations, and moving data.
# fmt: off
_FREE_NAMES = (
    "abs",
    "adaptive_avg_pool2d",
    "add",
    "add_",
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "avg_pool2d",
    "batch_norm",
    "channel_shuffle",
    "clamp_max",
    "clamp_min",
    "clone",
    "col2im",
    "cos",
    "cumsum",
    "div",
    "div_",
    "elu",
    "empty_like",
    "exp",
    "fill_",
    "flip",
    "floor_",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "im2col",
    "index_select",
    "instance_norm",
    "layer_norm",
    "le",
    "leaky_relu",
    "leaky_relu_",
    "lift_fresh",
    "linspace",
    "log",
    "log_softmax",
    "lt",
    "max_pool2d",
    "mean",
    "meshgrid",
    "min",
    "movedim",
    "ne",
    "neg",
    "new_ones",
    "norm",
    "ones_like",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "pow",
    "reciprocal",
    "reflection_pad2d",
    "relu6",
    "relu6_",
    "repeat",
    "real",
    "repeat_interleave",
    "replication_pad2d",
    "reshape_as",
    "round",
    "rsqrt",
    "rsub",
    "rsub_",
    "sigmoid",
    "sigmoid_",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "std",
    "sub",
    "sub_",
    "sum",
    "tanh",
    "tanh_",
    "tensor_split",
    "tile",
    "type_as",
    "unflatten",
    "unfold",
    "var",
    "view_as",
    "where",
    "zero_",
)
# fmt: on
FREE = tuple(f"aten::{name}" for name in _FREE_NAMES)
