"""IndexNet: modulate the nearest map by an index predicted from the guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from dysample._checks import check_guide, check_map, check_one_of, check_positive, check_scale
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size
from dysample.ops._implementation import may_overwrite

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from torch import Tensor


class IndexNet(nn.Module):
    """Upsample by repeating pixels, each multiplied by a decoder index from the guide.

    `(N, C, H, W)` and a guide `(N, Cg, 2H, 2W)` → `(N, C, 2H, 2W)`. Lu et al., Indices Matter:
    Learning to Index for Deep Image Matting, ICCV 2019 (arXiv:1908.00672), and Index Networks,
    TPAMI 2020 (arXiv:1908.09895). The index lies in (0, 1) and the result is their product with
    the nearest map, so it is attenuated everywhere. Written from the papers' mathematics.

    A `state_dict` of a wrapper, with its keys under `index_net.`, loads as well.

    Args:
        in_channels: channels C of the map.
        scale: 2.
        variant: "hin" gives one index for all channels; "m2o" and "o2o" one for each, from
            dense or depthwise convolutions.
        nonlinear: batch norm, ReLU6 and a second convolution after the first.
        context: convolve 4 × 4 windows of the guide instead of 2 × 2.
        guide_channels: channels Cg of the guide; None for C, which "m2o" and "o2o" need.

    Raises:
        TypeError, ValueError: `scale` is not 2, the variant unknown, or channels do not fit.
    """

    guided: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        *,
        variant: str = "hin",
        nonlinear: bool = True,
        context: bool = True,
        guide_channels: int | None = None,
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale, (2,))
        check_one_of("variant", variant, ("hin", "m2o", "o2o"))
        guide_channels = in_channels if guide_channels is None else guide_channels
        check_positive("guide_channels", guide_channels)
        if variant != "hin" and guide_channels != in_channels:
            raise ValueError(
                f"`guide_channels` (={guide_channels}) must equal `in_channels` "
                f"(={in_channels}) where `variant` is {variant!r}"
            )
        self.in_channels = in_channels
        self.guide_channels = guide_channels
        self.scale = scale
        self.variant = variant
        if variant == "hin":
            widths = (guide_channels, 2 * guide_channels, 4)
            block = _index_block(widths, 1, nonlinear, context)
            self.indexnet = block if nonlinear else block[0]
        else:
            groups = guide_channels if variant == "o2o" else 1
            widths = (guide_channels, guide_channels, guide_channels)
            for position in range(1, 5):
                block = _index_block(widths, groups, nonlinear, context)
                self.add_module(f"indexnet{position}", block)
        self.register_load_state_dict_pre_hook(_strip_wrapper)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, guide: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, 2H, 2W)`, or at `size`."""
        check_map("x", x, self.in_channels)
        check_guide(guide, x, self.scale, self.guide_channels)
        index = pixel_shuffle(self._logits(guide).sigmoid(), 2)
        nearest = F.interpolate(x, scale_factor=2.0, mode="nearest")
        out = nearest.mul_(index) if may_overwrite() else nearest * index
        return fit_to_size(out, size)

    def _logits(self, guide: Tensor) -> Tensor:
        """Return `(N, 4, H, W)` for "hin", else `(N, 4C, H, W)` in the order of a shuffle."""
        if self.variant == "hin":
            logits: Tensor = self.indexnet(guide)
            return logits
        positions = [self.get_submodule(f"indexnet{position}")(guide) for position in range(1, 5)]
        return torch.stack(positions, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """Return what `repr` shows."""
        return f"{self.in_channels}, scale=2, variant={self.variant!r}"


def _index_block(
    widths: tuple[int, int, int], groups: int, nonlinear: bool, context: bool
) -> nn.Sequential:
    guide, hidden, out = widths
    side, padding = (4, 1) if context else (2, 0)

    def first(channels: int) -> nn.Conv2d:
        return nn.Conv2d(guide, channels, side, 2, padding, groups=groups, bias=False)

    if not nonlinear:
        return nn.Sequential(first(out))
    return nn.Sequential(
        first(hidden),
        nn.BatchNorm2d(hidden),
        nn.ReLU6(),
        nn.Conv2d(hidden, out, 1, groups=groups, bias=False),
    )


def _strip_wrapper(
    _module: nn.Module, state_dict: MutableMapping[str, Any], prefix: str, *_: object
) -> None:
    """Take keys that begin with `index_net.` as the block's own."""
    wrapped = f"{prefix}index_net."
    for key in [key for key in state_dict if key.startswith(wrapped)]:
        state_dict[prefix + key[len(wrapped) :]] = state_dict.pop(key)
