"""The report round-trips, and what is no report is refused in one line."""

import json
from pathlib import Path

import pytest

from dybench.case import Case, Grid
from dybench.errors import ReportError
from dybench.result import Latency, Measurement, Ratio, Report, load


@pytest.fixture
def report() -> Report:
    case = Case(upsampler="dysample", channels=256, height=120, width=120, scale=2)
    row = Measurement(
        case=case,
        params=8224,
        params_weights=8192,
        flops=176947200,
        flops_by_operator={"conv": 117964800, "offset_sample": 58982400},
        latency_s=Latency(median=0.005, low=0.004, high=0.006, samples=[0.004, 0.005, 0.006]),
        relative_latency=Ratio(to="bilinear", ratio=0.6, low=0.58, high=0.61),
    )
    return Report(created="2026-01-01T00:00:00+00:00", command="dybench run", measurements=[row])


def test_round_trip(report: Report, tmp_path: Path) -> None:
    report.save_new(tmp_path / "r.json")
    assert load(tmp_path / "r.json") == report


def test_the_json_has_the_documented_keys(report: Report) -> None:
    data = json.loads(report.to_json())
    assert data["schema"] == "dybench/1"
    assert set(data) >= {"schema", "created", "command", "machine", "settings", "measurements"}
    (row,) = data["measurements"]
    keys = "upsampler options channels height width scale batch dtype device layout mode runtime"
    assert set(row["case"]) == set(keys.split())
    assert set(row) >= {
        *("status", "reason", "params", "params_weights", "flops", "flops_by_operator"),
        *("flops_unsupported", "peak_memory_bytes", "peak_memory_kind"),
        *("latency_s", "relative_latency"),
    }
    assert set(row["latency_s"]) >= {"median", "low", "high", "samples"}
    assert set(row["relative_latency"]) >= {"to", "ratio", "low", "high"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"{", "is not a dybench report"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not a dybench report"),
        (b"[1, 2]", "is not a dybench report"),
        (b"[" * 100_000, "is not a dybench report"),
        (b"{}", "has no schema"),
        (b'{"schema": "dybench/2"}', "has schema 'dybench/2'; this dybench reads 'dybench/1' only"),
        (b'{"schema": "dybench/1"}', "is a damaged report: .*created"),
        (
            b'{"schema": "dybench/1", "created": "", "command": "", "measurements": [{"case": 3}]}',
            r"is a damaged report: .*\$\.measurements\[0\]\.case",
        ),
    ],
)
def test_what_is_no_report_is_refused(content: bytes, line: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=line) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_report_is_refused(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(report.to_json()[:-200])
    with pytest.raises(ReportError, match="is not a dybench report"):
        load(path)


def test_a_missing_report_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"cannot read .*No such file"):
        load(tmp_path / "none.json")


def test_a_grid_is_the_full_product_of_its_axes() -> None:
    grid = Grid(
        upsamplers=["a", "b"],
        channels=[64, 128],
        sizes=[(8, 9), (16, 16)],
        scales=[2, 3],
        batches=[1, 8],
        dtypes=["float32", "float16"],
        layouts=["contiguous", "channels_last"],
        modes=["inference", "training"],
    )
    cells = list(grid.cells())
    assert len(cells) == len(set(cells)) == 2**7
    assert {case.upsampler for case in grid.cases(cells[0])} == {"a", "b"}
    assert all(case.cell == cells[0] for case in grid.cases(cells[0]))
    case = grid.cases(cells[0])[0]
    assert case.input_shape == (1, 64, 8, 9)
    assert case.output_shape == (1, 64, 16, 18)
