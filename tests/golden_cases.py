"""The golden data: numbers from the original authors' modules, and how to hold ours to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn

FOLDER = Path(__file__).parent / "golden"
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
# A float64 run differs only by the order of its sums; a float32 run by the rounding of maps of
# order 1 through a few hundred additions.
OUTPUT_TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5}


@dataclass(frozen=True)
class GoldenCase:
    """One archive of `tests/golden`: inputs, weights, outputs and gradients of one module."""

    name: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def tensor(self, key: str, dtype: torch.dtype | None = None) -> Tensor:
        """Return the array `key`, cast to `dtype` where it holds floats."""
        value = torch.from_numpy(self.arrays[key].copy())
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value

    def state_dict(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Return the authors' `state_dict`, under the authors' keys."""
        return {name: self.tensor(f"sd.{name}", dtype) for name in self._names("sd.")}

    def input(self, name: str, dtype: torch.dtype, layout: str = "contiguous") -> Tensor:
        """Return the input map `name` in `dtype` and `layout`, a leaf that requires grad."""
        value = self.tensor(f"in.{name}", dtype).contiguous(memory_format=LAYOUTS[layout])
        return value.requires_grad_()

    @property
    def has_gradients(self) -> bool:
        """Whether the archive holds a cotangent and the gradients it gives."""
        return "r" in self.arrays

    def parameters_with_gradient(self) -> list[str]:
        """Return the names of the parameters whose gradient the archive holds."""
        return list(self._names("grad.sd."))

    def _names(self, prefix: str) -> Iterator[str]:
        return (key[len(prefix) :] for key in self.arrays if key.startswith(prefix))


def golden_names(*prefixes: str) -> list[str]:
    """Return the names of the cases that begin with one of `prefixes`; none is an error."""
    names = sorted(path.stem for path in FOLDER.glob("*.npz") if path.stem.startswith(prefixes))
    if not names:
        raise ValueError(f"no golden case begins with one of {prefixes}")
    return names


def load_golden(name: str) -> GoldenCase:
    """Return the golden case `name`."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    return GoldenCase(name, json.loads(bytes(arrays.pop("meta_json"))), arrays)


def check_output(
    module: nn.Module,
    case: GoldenCase,
    dtype: torch.dtype,
    layout: str,
    call: Sequence[str] = ("x",),
) -> None:
    """Fail unless `module` (weights loaded) gives the case's output in `dtype` and `layout`."""
    module = module.to(dtype)
    module.train(case.meta["mode"] == "train")
    inputs = [case.input(name, dtype, layout) for name in call]
    out = module(*inputs)
    key = "out64" if dtype is torch.float64 and "out64" in case.arrays else "out"
    tolerance = OUTPUT_TOLERANCE[torch.float64 if key == "out64" else torch.float32]
    torch.testing.assert_close(out, case.tensor(key, dtype), rtol=0, atol=tolerance)
    assert out.is_contiguous(memory_format=LAYOUTS[layout])


def check_gradients(
    module: nn.Module, case: GoldenCase, layout: str, call: Sequence[str] = ("x",)
) -> None:
    """Fail unless every gradient of `module` in float64 equals the case's, rounded to float32."""
    module = module.double()
    module.train(case.meta["mode"] == "train")
    inputs = {name: case.input(name, torch.float64, layout) for name in call}
    (module(*inputs.values()) * case.tensor("r", torch.float64)).sum().backward()
    parameters = dict(module.named_parameters())
    found = {f"in.{name}": value.grad for name, value in inputs.items()}
    found |= {f"sd.{name}": parameters[name].grad for name in case.parameters_with_gradient()}
    for key, gradient in found.items():
        expected = case.tensor(f"grad.{key}", torch.float64)
        assert gradient is not None, key
        tolerance = 1e-5 * (1e-3 + expected.abs().max().item())
        torch.testing.assert_close(gradient, expected, rtol=0, atol=tolerance, msg=key)


def parameter_counts(upsampler: str) -> list[dict[str, Any]]:
    """Return the rows of the parameter table for one upsampler; none is an error."""
    rows = json.loads((FOLDER / "param_counts.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if row["upsampler"] == upsampler]
    if not rows:
        raise ValueError(f"no row for {upsampler!r}")
    return rows
