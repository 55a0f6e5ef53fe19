"""The figures the upsamplers' authors printed, each with its source; never mixed with ours."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dybench.case import Case


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bubble of the DySample paper's Figure 1, read off the image."""

    upsampler: str
    latency_ms: float
    miou: float


class Figure1(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figure 1 of the DySample paper (Liu et al., ICCV 2023). `what` says what its axes are."""

    source: str
    what: str
    points: list[Point]


class Segmentation(msgspec.Struct, frozen=True):
    """Accuracies in percent on ADE20K; None where the authors print none."""

    miou: float
    biou: float | None


class Printed(NamedTuple):
    """A number as it stands in print: its digits and what they count, `0.44` and 1,000,000."""

    digits: Decimal
    unit: int
    symbol: str

    @property
    def value(self) -> float:
        """The number, plain, no more exact than what was printed."""
        return float(self.digits * self.unit)


class Delta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an upsampler adds to a host model, in the printed units and digits.

    Attributes:
        params_m, params_k: parameters in millions or thousands, whichever was printed.
        gflops: one multiply-add counts as one FLOP.
        source: where it was printed, if not where its block says.
        weights_only: biases and affine norms were left out of the parameters.
        truncated: the digits were cut off, not rounded.
        modules: upsamplers in the authors' wiring, where it has fewer than the model's stages.
        module_params: parameters of one upsampler in the authors' form of it, where that form
            learns more than ours.
        note: what is known to be wrong with the printed figure.
    """

    params_m: Decimal | None = None
    params_k: Decimal | None = None
    gflops: Decimal | None = None
    source: str = ""
    weights_only: bool = False
    truncated: bool = False
    modules: int | None = None
    module_params: int | None = None
    note: str = ""

    @property
    def printed_params(self) -> Printed | None:
        """The parameters as printed."""
        if self.params_k is not None:
            return Printed(self.params_k, 10**3, "K")
        return None if self.params_m is None else Printed(self.params_m, 10**6, "M")

    @property
    def printed_flops(self) -> Printed | None:
        """The FLOPs as printed."""
        return None if self.gflops is None else Printed(self.gflops, 10**9, "G")

    @property
    def params(self) -> float | None:
        """Parameters, a plain number no more exact than what was printed."""
        printed = self.printed_params
        return None if printed is None else printed.value

    @property
    def flops(self) -> float | None:
        """FLOPs, a plain number no more exact than what was printed."""
        printed = self.printed_flops
        return None if printed is None else printed.value


class HostModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network whose upsamplers the authors replaced.

    Attributes:
        base: the network with its own upsamplers.
        stages: where in it the upsamplers sit, in words.
        delta: upsampler → what it adds to `base`.
        also: upsampler → the same, as printed elsewhere.
    """

    source: str
    base: Delta
    stages: str
    delta: dict[str, Delta]
    also: dict[str, list[Delta]] = {}
    input: str = ""
    note: str = ""


class Published(msgspec.Struct, frozen=True):
    """Everything in `published.json`.

    Attributes:
        miou_elsewhere: upsampler → SegFormer-B1 on ADE20K, from `miou_elsewhere_source`.
        models: host model → parameters and GFLOPs.
        accuracy: host model → upsampler → metric → percent on COCO, from `accuracy_source`.
    """

    about: str
    figure_1: Figure1
    miou_elsewhere: dict[str, Segmentation]
    miou_elsewhere_source: str
    models: dict[str, HostModel]
    accuracy: dict[str, dict[str, dict[str, float]]]
    accuracy_source: str

    def point(self, upsampler: str) -> Point | None:
        """The upsampler's bubble in Figure 1, if it has one."""
        return next((p for p in self.figure_1.points if p.upsampler == upsampler), None)

    def miou(self, upsampler: str) -> float | None:
        """ADE20K mIoU (%) of SegFormer-B1 with the upsampler; None if none was published.

        Figure 1 comes first, then the READMEs; both agree wherever both have one.
        """
        point = self.point(upsampler)
        if point is not None:
            return point.miou
        elsewhere = self.miou_elsewhere.get(upsampler)
        return None if elsewhere is None else elsewhere.miou


def holds_for(case: Case) -> bool:
    """Whether published accuracies hold for what a case measures: the authors' own options, ×2."""
    return not case.options and case.scale == 2


@cache
def load_published() -> Published:
    """The package's `published.json`, read once."""
    text = files("dybench").joinpath("published.json").read_bytes()
    # Decimals keep the digits as printed: 12.60 says more than 12.6.
    return parse(msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(text))


def parse(raw: Mapping[str, Any]) -> Published:
    """Turn the JSON's blocks into typed ones.

    Raises:
        msgspec.ValidationError: if a block lacks its source or has a field unknown here.
    """
    elsewhere, elsewhere_source = _split_source(raw["miou_elsewhere"])
    accuracy, accuracy_source = _split_source(raw["accuracy"])
    pairs = msgspec.convert(elsewhere, dict[str, tuple[float, float | None]])
    return Published(
        about=msgspec.convert(raw["about"], str),
        figure_1=msgspec.convert(raw["figure_1"], Figure1),
        miou_elsewhere={name: Segmentation(*pair) for name, pair in pairs.items()},
        miou_elsewhere_source=elsewhere_source,
        models=msgspec.convert(raw["models"], dict[str, HostModel]),
        accuracy=msgspec.convert(accuracy, dict[str, dict[str, dict[str, float]]]),
        accuracy_source=accuracy_source,
    )


def _split_source(block: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Separate a block's `source` from its rows."""
    rows = dict(block)
    source = rows.pop("source", None)
    if not isinstance(source, str):
        raise msgspec.ValidationError("a published block has no `source`")
    return rows, source
