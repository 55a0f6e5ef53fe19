"""A case in one short line, for findings and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dybench.views.cells import label

if TYPE_CHECKING:
    from dybench.case import Case


def case_name(case: Case) -> str:
    """The upsampler and its case: `dysample, 256×120×120 ×2 float32 cpu`."""
    return f"{label(case)}, {cell_name(case)}"


def cell_name(case: Case) -> str:
    """The case without its upsampler; what is not as usual is named, the rest left out."""
    words = [f"{case.channels}×{case.height}×{case.width}", f"×{case.scale}"]
    words += [f"batch {case.batch}"] if case.batch != 1 else []
    words += [case.dtype, case.device]
    usual = {"contiguous", "inference", "eager"}
    return " ".join(
        [*words, *(w for w in (case.layout, case.mode, case.runtime) if w not in usual)]
    )
