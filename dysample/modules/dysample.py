"""DySample: upsample by reading the low-resolution map at learned positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from dysample._checks import check_divisible, check_map, check_one_of, check_positive, check_scale
from dysample.modules._shuffle import pixel_shuffle
from dysample.modules._size import fit_to_size
from dysample.ops.point_sample import offset_sample, subpixel_start

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from torch import Tensor


class DySample(nn.Module):
    """Upsample by point sampling: each output pixel and group reads one learned position.

    `(N, C, H, W)` → `(N, C, sH, sW)`. A 1 × 1 convolution predicts an offset for each output
    pixel and group of channels; with zero offsets the result is bilinear interpolation. Liu et
    al., Learning to Upsample by Learning to Sample, ICCV 2023 (arXiv:2308.15085), section 3.

    Args:
        in_channels: channels C of the map.
        scale: how many times higher and wider the result is.
        style: "lp" predicts the offsets at low resolution, then shuffles them into place; "pl"
            shuffles the map first and predicts at high resolution, from C/s² channels.
        groups: groups of channels, each with offsets of its own.
        dyscope: scale the offsets by a predicted scope in (0, 0.5), not by 0.25.

    Raises:
        TypeError, ValueError: an argument is no positive integer, or does not divide.
    """

    guided: ClassVar[bool] = False
    init_pos: Tensor

    def __init__(
        self,
        in_channels: int,
        scale: int = 2,
        style: str = "lp",
        groups: int = 4,
        dyscope: bool = False,
    ) -> None:
        super().__init__()
        check_positive("in_channels", in_channels)
        check_scale(scale)
        check_one_of("style", style, ("lp", "pl"))
        check_positive("groups", groups)
        check_divisible("in_channels", in_channels, "groups", groups)
        if style == "pl":
            check_divisible("in_channels", in_channels, "scale²", scale**2)
        self.in_channels = in_channels
        self.scale = scale
        self.style = style
        self.groups = groups
        self.dyscope = dyscope
        if style == "lp":
            channels, offsets = in_channels, 2 * groups * scale**2
        else:
            channels, offsets = in_channels // scale**2, 2 * groups
        self.offset = nn.Conv2d(channels, offsets, 1)
        if dyscope:
            self.scope = nn.Conv2d(channels, offsets, 1, bias=False)
        self.register_buffer("init_pos", torch.empty(1, 2 * groups * scale**2, 1, 1))
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            _speak_the_dialect
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the offset weights from N(0, 0.001), and set the rest to zero."""
        nn.init.normal_(self.offset.weight, std=0.001)
        _zero(self.offset.bias)
        if self.dyscope:
            _zero(self.scope.weight)
            _zero(self.scope.bias)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Write `init_pos`, which checkpoints hold and the forward pass derives anew."""
        with torch.no_grad():
            self.init_pos.copy_(_initial_positions(self.scale, self.groups))

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return `x` of `(N, C, H, W)` at `(N, C, sH, sW)`, or at `size`."""
        check_map("x", x, self.in_channels)
        offset, scope = self._predict(x)
        out = offset_sample(
            x, offset, scope, scale=self.scale, groups=self.groups, style=self.style
        )
        return out if size is None else fit_to_size(out, size)

    def _predict(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the offsets and, of a dynamic scope, what is put through the sigmoid."""
        source = pixel_shuffle(x, self.scale) if self.style == "pl" else x
        return self.offset(source), self.scope(source) if self.dyscope else None

    def extra_repr(self) -> str:
        """Return the arguments of the constructor."""
        return (
            f"{self.in_channels}, scale={self.scale}, style={self.style!r}, "
            f"groups={self.groups}, dyscope={self.dyscope}"
        )


def _zero(parameter: Tensor | None) -> None:
    if parameter is not None:
        nn.init.zeros_(parameter)


def _initial_positions(scale: int, groups: int, device: torch.device | None = None) -> Tensor:
    """Return the sub-pixel starts in the channel order of the lp offsets, `(1, 2gs², 1, 1)`."""
    start = subpixel_start(scale, device)
    across = start.expand(groups, scale, scale)
    return torch.stack((across, across.transpose(1, 2))).reshape(1, -1, 1, 1)


def _speak_the_dialect(
    module: nn.Module, state_dict: MutableMapping[str, Any], prefix: str, *_: object
) -> None:
    """Take a bias of `scope` or leave it, as the checkpoint does, and supply `init_pos`."""
    if not isinstance(module, DySample):
        return
    weight = state_dict.get(f"{prefix}offset.weight")
    if weight is None:
        return
    if f"{prefix}init_pos" not in state_dict:
        start = _initial_positions(module.scale, module.groups, weight.device)
        state_dict[f"{prefix}init_pos"] = start
    if not module.dyscope or f"{prefix}scope.weight" not in state_dict:
        return
    if f"{prefix}scope.bias" not in state_dict:
        module.scope.bias = None
    elif module.scope.bias is None:
        gains = module.scope.weight
        bias = gains.new_zeros(module.scope.out_channels)
        module.scope.bias = nn.Parameter(bias, requires_grad=gains.requires_grad)
