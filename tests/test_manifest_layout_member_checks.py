"""Checks of the member: numbers and names, as warnings or refusals."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.member_checks import Faults, member_faults
from qa2pack.manifest.problem import Code, Refused

LAYOUT = '[[folder]]\nname = "script"\n[[place]]\nname = "top"\n'
PATHS = (b"script/a.py", b"script/b.py", b"script/deep/c.py", b"calibrated", b"README.txt")


def found(folder: Path, check: str, paths: tuple[bytes, ...] = PATHS) -> Faults:
    path = folder / "mine.toml"
    path.write_text(LAYOUT + "[[check]]\n" + check + '\nwhat = "so it is"\n')
    return member_faults(load_layout(str(path)).checks, paths)


@pytest.mark.parametrize(
    ("check", "path", "names"),
    [
        ('at_most_one = "*.py"\nin = "script"', b"script", "a.py, b.py"),
        ('holds = ["*.xml", "c.py"]\nin = "script"', b"script", "none"),
        ('lacks = "calibrated"', b"calibrated", ""),
        ('lacks = "script"', b"script", ""),
        ('letters = "a-z."', b"README.txt", ""),
        ("longest = 9", b"README.txt", ""),
    ],
)
@pytest.mark.parametrize("say", ["", "\nsay = 'warn'", "\nsay = 'refuse'"])
def test_what_is_not_so_is_told(tmp_path: Path, check: str, path: bytes, names: str, say: str) -> None:
    faults = found(tmp_path, check + say)
    told, others = (faults.problems, faults.warnings)[:: 1 if "refuse" in say else -1]
    assert others == ()
    assert (told[0].code, told[0].path) == (Code.CHECK_FAILED if "refuse" in say else Code.W_CHECK, path)
    assert (told[0].expected, told[0].found) == ("so it is", names)


@pytest.mark.parametrize(
    "check",
    [
        'at_most_one = "a*"\nin = "script"',
        'at_most_one = "x*"\nin = "script"',
        'holds = "*.py"\nin = "script"',
        'lacks = "c.py"',
        'letters = "a-zA-Z."',
        "longest = 10",
    ],
)
def test_nothing_is_told_where_it_is_so(tmp_path: Path, check: str) -> None:
    assert found(tmp_path, check) == Faults((), ())


def test_many_names_are_counted(tmp_path: Path) -> None:
    paths = tuple(b"script/%d.py" % number for number in range(7))
    ((problem,),) = (found(tmp_path, 'at_most_one = "*"\nin = "script"', paths).warnings,)
    assert problem.found == "0.py, 1.py, 2.py, 3.py and 3 more"


@pytest.mark.parametrize(("letters", "names"), [("a-c-", b"a-b"), ("-", b"-"), ("+.", b"+.+")])
def test_hyphen_itself_is_the_last_of_the_letters(tmp_path: Path, letters: str, names: bytes) -> None:
    assert found(tmp_path, f'letters = "{letters}"', (names,)) == Faults((), ())
    assert found(tmp_path, f'letters = "{letters}"', (names + b"z",)).warnings


def test_hyphen_of_a_range_is_no_letter(tmp_path: Path) -> None:
    assert found(tmp_path, 'letters = "a-z"', (b"a-b",)).warnings


@pytest.mark.parametrize(
    "check",
    [
        "longest = 0",
        "longest = true",
        'longest = "9"',
        'letters = "z-a"',
        'lacks = ""',
        'holds = "*.py"',
        'holds = "*.py"\nin = "scripts"',
        'lacks = "a"\nsay = "loudly"',
        'needs = "script"\nsay = "warn"',
    ],
)
def test_check_that_is_not_understood_is_refused(tmp_path: Path, check: str) -> None:
    with pytest.raises(Refused) as refused:
        found(tmp_path, check)
    assert os.fsdecode(refused.value.problems[0].path).endswith("mine.toml")
