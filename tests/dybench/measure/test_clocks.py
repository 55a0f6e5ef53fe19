"""A GPU's clocks, on a made-up NVML."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from dybench.measure.clocks import THROTTLING, Clocks, Reading, for_device, throttling_note

CUDA = torch.device("cuda:0")


class FakeError(Exception):
    pass


class FakeNvml:
    """A driver with one GPU."""

    NVML_CLOCK_SM = 1
    NVMLError = FakeError

    def __init__(self) -> None:
        self.clock, self.reasons, self.lost = 1980, 0x01, False

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        if uuid != "GPU-1234":
            raise FakeError("no such GPU")
        return "handle"

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        assert (handle, kind) == ("handle", 1)
        if self.lost:
            raise FakeError("GPU is lost")
        return self.clock

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):  # noqa: N802
        return self.reasons


@pytest.fixture
def nvml(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(
        "torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid="1234")
    )
    return fake


def test_an_idle_gpu_is_not_throttled(nvml):
    assert Clocks(CUDA).read() == Reading(1980, ())


def test_what_holds_it_back_is_named(nvml):
    nvml.clock, nvml.reasons = 1200, 0x04 | 0x40 | 0x02
    assert Clocks(CUDA).read() == Reading(1200, ("power cap", "hardware thermal slowdown"))


def test_a_driver_that_stops_answering_is_no_reading(nvml):
    clocks = Clocks(CUDA)
    nvml.lost = True
    assert clocks.sense() is None


def test_another_gpu_than_torchs_is_not_read(nvml, monkeypatch):
    monkeypatch.setattr(
        "torch.cuda.get_device_properties", lambda device: SimpleNamespace(uuid="99")
    )
    assert for_device(CUDA) == (None, "not read: NVML: no such GPU")


def test_a_torch_that_does_not_tell_its_gpu(nvml, monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: SimpleNamespace())
    assert for_device(CUDA) == (None, "not read: this torch does not tell which GPU it is on")


def test_without_nvidia_ml_py_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    sense, how = for_device(CUDA)
    assert sense is None
    assert how == "not read: it needs nvidia-ml-py: pip install 'dybench[nvml]'"


def test_a_cpu_has_no_clocks_to_read():
    assert for_device(torch.device("cpu")) == (None, "not read: no GPU")


def test_the_real_package_has_what_is_asked_of_it():
    real = pytest.importorskip("pynvml")
    for name in (name for name in vars(FakeNvml) if name.startswith(("nvml", "NVML"))):
        assert hasattr(real, name)
    assert real.NVML_CLOCK_SM == FakeNvml.NVML_CLOCK_SM
    bits = {value for name, value in vars(real).items() if name.startswith("nvmlClocksThrottle")}
    assert bits > set(THROTTLING)


def test_the_note_counts_and_names():
    readings = [Reading(1980), Reading(1500, ("power cap",)), Reading(1400, ("power cap",))]
    assert throttling_note(readings[:1]) is None
    note = throttling_note(readings)
    assert note is not None
    assert note.startswith("2 of 3 samples were taken while the GPU was throttled (power cap)")
