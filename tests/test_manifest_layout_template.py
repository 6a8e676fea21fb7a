"""Templates of paths in the member."""

import pytest

from qa2pack.manifest.layout.patterns import PatternError
from qa2pack.manifest.layout.template import NoPathError, NoValueError, parse_template

VALUES = {"name": b"a.fits", "uid": b"uid___A002_X1_X2", "prefix": b"", "odd": b"\xff"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("qa/{name}", b"qa/a.fits"),
        ("qa/{prefix}{name}", b"qa/a.fits"),
        ("calibration/{uid}.calibration/{name}", b"calibration/uid___A002_X1_X2.calibration/a.fits"),
        ("{odd}", b"\xff"),
        ("README", b"README"),
    ],
)
def test_template_is_filled_with_values(text: str, path: bytes) -> None:
    assert parse_template(text).fill(VALUES.get) == path


def test_variable_without_a_value_is_named() -> None:
    with pytest.raises(NoValueError) as error:
        parse_template("qa/{mous}/{name}").fill(VALUES.get)
    assert error.value.variable == "mous"


@pytest.mark.parametrize(
    "text",
    ["", "/a", "a/", "a//b", "a/../b", "./a", "..", "{prefix}", "a/{prefix}/b", "{a", "a}", "{A}", "{}", "x" * 256],
)
def test_template_that_is_no_path_in_the_member_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        parse_template(text)


def test_folder_is_the_first_part_as_it_is_written() -> None:
    assert [parse_template(text).folder for text in ("qa/{name}", "{uid}/a/b", "{name}")] == ["qa", "{uid}", ""]


@pytest.mark.parametrize("value", [b".", b"..", b"", b"a//b", b"/a", b"../../etc"])
def test_value_that_makes_it_no_path_in_the_member_is_refused(value: bytes) -> None:
    with pytest.raises(NoPathError) as error:
        parse_template("qa/{stem}").fill({"stem": value}.get)
    assert error.value.path == b"qa/" + value


def test_template_that_is_empty_with_its_values_is_refused() -> None:
    with pytest.raises(NoPathError):
        parse_template("{top}").fill({"top": b""}.get)
