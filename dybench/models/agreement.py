"""Does a count agree with what the authors printed, to the last printed digit?"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dybench.published import Delta, HostModel, Printed


class Counted(NamedTuple):
    """What one upsampler in a network's stages was counted to add.

    Attributes:
        module_params, module_weights: of each stage's upsampler, in the order of the stages.
        flops: of all stages.
        scale: of every stage; None where they differ.
    """

    module_params: tuple[int, ...]
    module_weights: tuple[int, ...]
    flops: int
    scale: int | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One published figure beside the count, in plain numbers.

    Attributes:
        printed: the figure as printed, parameters and FLOPs: `0.44 M, 1.45 G`.
        params, flops: the same in plain numbers; None where not printed.
        counted_params: what they compare with: all or weights only, of `modules` upsamplers,
            in the authors' own form.
        in_another_form: whether these are of another form of the module, known by its count.
        params_match, flops_match: to the last printed digit; None where nothing was printed.
        verdict: the same in words.
    """

    source: str
    printed: str
    modules: int
    weights_only: bool
    truncated: bool
    params: int | float | None
    counted_params: int
    in_another_form: bool = False
    params_match: bool | None
    flops: int | float | None
    flops_match: bool | None
    verdict: str


def reads_as(counted: int, printed: Printed, *, truncated: bool = False) -> bool:
    """Whether `counted`, written with as many digits as `printed`, is `printed`."""
    return _written(counted, printed, truncated=truncated) == printed.digits


def compare(counted: Counted, host: HostModel, upsampler: str) -> list[Comparison]:
    """Hold a count to every figure published for the upsampler in this network, main one first."""
    main = host.delta.get(upsampler)
    figures = [*([main] if main else []), *host.also.get(upsampler, [])]
    return [_compare(counted, figure, host.source) for figure in figures]


def note(comparisons: Sequence[Comparison]) -> str:
    """One row's note: the main figure's verdict, then the others' that do not just repeat it.

    An agreeing figure from elsewhere that was counted in the same way is not worth a line.
    """
    if not comparisons:
        return ""
    main, *others = comparisons
    parts = [main.verdict]
    for other in others:
        same_way = (other.modules, other.counted_params) == (main.modules, main.counted_params)
        agrees = other.params_match is not False and other.flops_match is not False
        if not (same_way and agrees):
            # a disagreement repeats the figure itself
            figure = f"{other.printed} " if agrees else ""
            parts.append(f"{other.source}: {figure}{other.verdict}")
    return "; ".join(parts)


def _compare(counted: Counted, figure: Delta, block_source: str) -> Comparison:
    modules = figure.modules or len(counted.module_params)
    params = _counted_params(counted, figure, modules)
    printed_params, printed_flops = figure.printed_params, figure.printed_flops
    cut = figure.truncated
    params_match = printed_params and reads_as(params, printed_params, truncated=cut)
    flops_match = printed_flops and reads_as(counted.flops, printed_flops, truncated=cut)
    return Comparison(
        source=figure.source or block_source,
        printed=", ".join(
            f"{found.digits} {found.symbol}" for found in (printed_params, printed_flops) if found
        ),
        modules=modules,
        weights_only=figure.weights_only,
        truncated=cut,
        params=_plain(printed_params),
        counted_params=params,
        in_another_form=figure.module_params is not None,
        params_match=params_match,
        flops=_plain(printed_flops),
        flops_match=flops_match,
        verdict=_verdict(counted, figure, params, params_match, flops_match),
    )


def _counted_params(counted: Counted, figure: Delta, modules: int) -> int:
    if figure.module_params is not None:
        return figure.module_params * modules
    each = counted.module_weights if figure.weights_only else counted.module_params
    return sum(each[-modules:])  # a wiring with fewer upsamplers leaves out the coarsest


def _verdict(
    counted: Counted,
    figure: Delta,
    params: int,
    params_match: bool | None,
    flops_match: bool | None,
) -> str:
    wrong = []
    explained = False
    if figure.printed_params and not params_match:
        wrong.append(_off(figure.printed_params, params))
    if figure.printed_flops and not flops_match:
        factor = _counted_per_output_pixel(counted, figure)
        explained = factor is not None
        wrong.append(
            f"FLOPs printed {factor}× too high: counted per output pixel; "
            f"true value {_finer(counted.flops, figure.printed_flops)}"
            if explained
            else _off(figure.printed_flops, counted.flops)
        )
    conditions = _conditions(figure, len(counted.module_params))
    if not wrong:
        return f"matches ({', '.join(conditions)})" if conditions else "matches"
    if figure.note and not explained:
        wrong.append(figure.note)
    right = "parameters match" if params_match else "FLOPs match" if flops_match else ""
    return "; ".join([right, *wrong] if right else wrong)


def _off(printed: Printed, counted: int) -> str:
    return (
        f"published {printed.digits} {printed.symbol} does not reproduce: "
        f"{_finer(counted, printed)}"
    )


def _counted_per_output_pixel(counted: Counted, figure: Delta) -> int | None:
    """How many times too high the FLOPs are, if counting per output pixel explains it."""
    if counted.scale is None or figure.printed_flops is None:
        return None
    factor = counted.scale**2
    return factor if reads_as(counted.flops * factor, figure.printed_flops) else None


def _conditions(figure: Delta, stages: int) -> list[str]:
    found = []
    if figure.weights_only:
        found.append("weights only")
    if figure.truncated:
        found.append("truncated")
    if figure.modules is not None and figure.modules != stages:
        found.append(f"with {figure.modules} modules")
    if figure.note:
        found.append(figure.note)
    return found


def _plain(printed: Printed | None) -> int | float | None:
    """The number without unit: whole where what was printed is a whole number of ones."""
    if printed is None:
        return None
    value = printed.digits * printed.unit
    return int(value) if value == int(value) else float(value)


def _finer(counted: int, printed: Printed) -> str:
    """`counted` in the printed unit, with one digit more than was printed."""
    value = Decimal(counted) / printed.unit
    step = Decimal(1).scaleb(_exponent(printed) - 1)
    return f"{value.quantize(step, ROUND_HALF_UP)} {printed.symbol}"


def _written(counted: int, printed: Printed, *, truncated: bool) -> Decimal:
    step = Decimal(1).scaleb(_exponent(printed))
    return (Decimal(counted) / printed.unit).quantize(
        step, ROUND_DOWN if truncated else ROUND_HALF_UP
    )


def _exponent(printed: Printed) -> int:
    exponent = printed.digits.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError(f"`printed` (={printed.digits}) must be a finite number")
    return exponent
