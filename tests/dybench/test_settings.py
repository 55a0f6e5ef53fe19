"""`[tool.dybench]` of pyproject.toml."""

import pytest

from dybench.errors import UsageError
from dybench.settings import CheckSettings, load_settings, percentage, seconds


def write(folder, text):
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_four_lines_are_enough(tmp_path):
    write(
        tmp_path,
        """
[tool.dybench]
upsamplers = ["blur.py:Blur"]
channels = [16]
sizes = ["20x30"]
""",
    )
    (case,) = load_settings(tmp_path).gated()
    assert (case.upsampler, case.channels, case.height, case.width) == ("blur.py:Blur", 16, 20, 30)
    assert (case.scale, case.dtype, case.layout) == (2, "float32", "contiguous")


def test_the_table_above_is_found_and_no_table_is_fine(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert load_settings(inner).gated() == []
    write(tmp_path, "[tool.dybench]\nbudget = '2m'\n")
    assert load_settings(inner).budget == "2m"


def test_cases_lie_on_top_of_the_table(tmp_path):
    write(
        tmp_path,
        """
[tool.dybench]
upsamplers = ["dysample", "carafe"]
channels = [64]
sizes = ["16x16"]
[[tool.dybench.cases]]
channels = [32, 64]
[[tool.dybench.cases]]
upsamplers = ["dysample"]
layouts = ["channels_last"]
[[tool.dybench.cases]]
upsamplers = ["dysample"]
""",
    )
    cases = load_settings(tmp_path).gated()
    named = [(case.upsampler, case.channels, case.layout) for case in cases]
    assert named == [
        ("dysample", 32, "contiguous"),
        ("carafe", 32, "contiguous"),
        ("dysample", 64, "contiguous"),
        ("carafe", 64, "contiguous"),
        ("dysample", 64, "channels_last"),
    ]


def test_thresholds_are_percentages(tmp_path):
    write(tmp_path, "[tool.dybench]\nslower-than = 8\nfloor = '3%'\nconfidence = '99.5%'\n")
    thresholds = load_settings(tmp_path).thresholds()
    assert (thresholds.slower_than, thresholds.floor) == (0.08, 0.03)
    assert thresholds.confidence == pytest.approx(0.995)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.dybench]\nchanels = [1]", "unknown field `chanels`"),
        ("[tool.dybench]\nchannels = 'x'", r"Expected `array \| null`, got `str`"),
        ("[tool.dybench]\nlayouts = ['nhwc']", "Invalid enum value 'nhwc'"),
        ("[tool.dybench\n", "cannot read"),
        ("[tool.dybench]\nthreads = 0", r"`threads` \(=0\) must be at least 1"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, message):
    write(tmp_path, text)
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ({"sizes": ["0x3"]}, "at least 1"),
        ({"channels": [0]}, "at least 1"),
        ({"dtypes": ["int8"]}, "must be one of float32"),
    ],
)
def test_a_wrong_axis_is_named(axis, message):
    with pytest.raises(UsageError, match=message):
        CheckSettings(upsamplers=["dysample"], **axis).gated()


@pytest.mark.parametrize(
    ("text", "value"), [("5%", 0.05), ("5", 0.05), (2.5, 0.025), (" 7 %", 0.07)]
)
def test_percentage(text, value):
    assert percentage("x", text) == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("10m", 600), ("1h", 3600), ("45", 45)])
def test_seconds(text, value):
    assert seconds("x", text) == value


@pytest.mark.parametrize("text", ["", "0", "-5%", "nan", "five", "1e9%"])
def test_wrong_percentages(text):
    with pytest.raises(UsageError, match="`x`"):
        percentage("x", text)


@pytest.mark.parametrize("text", ["", "0", "-5m", "nan", "inf", "ten", "m"])
def test_wrong_times(text):
    with pytest.raises(UsageError, match="`x`"):
        seconds("x", text)


def test_a_floor_above_what_counts_as_slower_makes_no_sense():
    with pytest.raises(UsageError, match=r"`floor` \(='30%'\) must not be above `slower-than`"):
        CheckSettings(floor="30%").thresholds()
    assert CheckSettings(slower_than="1%").thresholds().floor == 0.01
    assert CheckSettings().thresholds().floor == 0.02
