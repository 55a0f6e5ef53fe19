"""The reference that DySample is timed against computes what the authors' module does."""

from __future__ import annotations

import pytest
import torch

from dybench.reference import ReferenceDySample
from tests.golden_cases import check_gradients, check_output, golden_names, load_golden

CASES = golden_names("dysample_lp", "dysample_pl", "dysample_big", "dysample_nearinit")


@pytest.mark.parametrize("name", CASES)
def test_reference(name):
    case = load_golden(name)
    module = ReferenceDySample(**case.meta["ctor"])
    state = case.state_dict()
    assert torch.equal(module.init_pos, state["init_pos"])
    module.load_state_dict(state, strict=True)
    check_output(module, case, torch.float32, "contiguous")
    check_output(module, case, torch.float64, "contiguous")
    if case.has_gradients:
        check_gradients(module, case, "contiguous")
