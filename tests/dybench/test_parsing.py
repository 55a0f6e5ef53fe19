"""The words of a command line, right and wrong."""

import pytest

from dybench import parsing
from dybench.errors import UsageError


def test_right_ones() -> None:
    assert parsing.positives("--channels", "64, 128,64") == (64, 128)
    assert parsing.sizes("--size", "120x160,64,8X9") == ((120, 160), (64, 64), (8, 9))
    assert parsing.choices("--dtype", "float16,float32", parsing.DTYPES) == ("float16", "float32")
    assert parsing.names("-u", ["a,b", "b", "f.py:C"]) == ("a", "b", "f.py:C")
    assert parsing.device("--device", "cpu") == "cpu"


@pytest.mark.parametrize(
    ("read", "line"),
    [
        (lambda: parsing.positives("--channels", "0"), r"`--channels` \(=0\) must be at least 1"),
        (lambda: parsing.positives("--scale", "-2"), r"`--scale` \(=-2\) must be at least 1"),
        (lambda: parsing.positives("--batch", "two"), "'two'.* must be a positive integer"),
        (lambda: parsing.positives("--batch", "1.5"), "must be a positive integer"),
        (lambda: parsing.positives("--channels", "64,,128"), "comma list without gaps"),
        (lambda: parsing.positives("--channels", ""), "comma list without gaps"),
        (lambda: parsing.positives("--channels", "9" * 30), "must be at most 1,000,000"),
        (lambda: parsing.sizes("--size", "120x"), "must be HxW"),
        (lambda: parsing.sizes("--size", "axb"), "must be a positive integer"),
        (lambda: parsing.sizes("--size", "12x0"), "must be at least 1"),
        (
            lambda: parsing.choices("--dtype", "int8", parsing.DTYPES),
            r"`--dtype` \(='int8'\) must be one of float32, ",
        ),
        (lambda: parsing.device("--device", "tpu"), "must be auto, cpu or cuda:N"),
        (lambda: parsing.device("--device", "cuda:99"), "this machine has"),
        (lambda: parsing.device("--device", "meta"), "must be auto, cpu or cuda:N"),
    ],
)
def test_wrong_ones_are_one_line(read, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        read()
    assert "\n" not in str(caught.value)
