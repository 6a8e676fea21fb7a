"""Checks of the member: numbers and names, as warnings or refusals."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.member_checks import Faults, member_faults
from qa2pack.manifest.problem import Code, Problem, Refused

LAYOUT = '[[folder]]\nname = "script"\n[[place]]\nname = "top"\n'
PATHS = (b"script/a.py", b"script/b.py", b"script/deep/c.py", b"calibrated", b"README.txt")


def found(folder: Path, check: str, paths: tuple[bytes, ...] = PATHS, data: bytes = b"") -> Faults:
    path = folder / "mine.toml"
    path.write_text(LAYOUT + "[[check]]\n" + check + '\nwhat = "so it is"\n')
    return member_faults(load_layout(str(path)).checks, paths, lambda _: data)


@pytest.mark.parametrize(
    ("check", "path", "names"),
    [
        ('at_most_one = "*.py"\nin = "script"', b"script", "a.py, b.py"),
        ('holds = ["*.xml", "c.py"]\nin = "script"', b"script", "none"),
        ('lacks = "calibrated"', b"calibrated", ""),
        ('lacks = "script"', b"script", ""),
        ('at_most_one = ["c*", "R*"]', b".", "README.txt, calibrated"),
        ('at_most_one = ["calibrated", "script"]\nin = "."', b".", "calibrated, script"),
        ('holds = "a.py"\nin = "."', b".", "none"),
        ('letters = "a-z."', b"README.txt", '"R", "E", "A", "D" and 1 more'),
        ('letters = "A-LN-Za-z."', b"README.txt", '"M"'),
        ("longest = 9", b"README.txt", "10 bytes"),
        ('without = ["z", "README"]', b"README.txt", '"README"'),
        ('without = ["z", "AD", "t.t", "E.t"]', b"README.txt", '"AD", "E.t"'),
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
        'holds = "deep"\nin = "script"',
        'holds = "READ*"',
        'at_most_one = "script"\nin = "."',
        'letters = "a-zA-Z."',
        "longest = 10",
        'without = ["z", "Read"]',
        'without = "README"\nbut = ["README.txt"]',
        'without = "a"\ninside = true',  # the scan looks at these
    ],
)
def test_nothing_is_told_where_it_is_so(tmp_path: Path, check: str) -> None:
    assert found(tmp_path, check) == Faults((), ())


def test_letter_that_is_none_is_told_in_words_that_a_plan_can_keep(tmp_path: Path) -> None:
    (warning,) = found(tmp_path, 'letters = "a-z"', (b"odd\xff",)).warnings
    assert str(warning.found).encode() == b'"\\xff"'


def test_many_names_are_counted(tmp_path: Path) -> None:
    paths = tuple(b"script/%d.py" % number for number in range(7))
    ((problem,),) = (found(tmp_path, 'at_most_one = "*"\nin = "script"', paths).warnings,)
    assert problem.found == "0.py, 1.py, 2.py, 3.py and 3 more"


@pytest.mark.parametrize(("letters", "names"), [("a-c-", b"a-b"), ("-", b"-"), ("+.", b"+.+")])
def test_hyphen_itself_is_the_last_of_the_letters(tmp_path: Path, letters: str, names: bytes) -> None:
    assert found(tmp_path, f'letters = "{letters}"', (names,)) == Faults((), ())
    assert found(tmp_path, f'letters = "{letters}"', (names + b"z",)).warnings


def test_names_of_folders_are_checked_once(tmp_path: Path) -> None:
    paths = (b"script/A/b/c", b"script/A/b/d", b"script/e")
    assert [each.path for each in found(tmp_path, 'letters = "a-z"', paths).warnings] == [b"script/A"]
    assert found(tmp_path, 'letters = "a-z"\nbut = "script/A"', paths) == Faults((), ())


def test_hyphen_of_a_range_is_no_letter(tmp_path: Path) -> None:
    assert found(tmp_path, 'letters = "a-z"', (b"a-b",)).warnings


LISTED = 'listed_in = "script/*.xml"\nelements = ["image", "log"]\nattribute = "name"'
LISTING = b"<run>" + b"".join(b'<image name="%d.fits"/>' % number for number in range(20)) + b'<log name="a"/></run>'
IMAGES = tuple(b"product/%d.fits" % number for number in range(20))


def test_names_in_a_list_are_in_the_member(tmp_path: Path) -> None:
    paths = (b"script/m.xml", b"log/a", *IMAGES)
    assert found(tmp_path, LISTED, paths, LISTING) == Faults((), ())


def test_listed_names_that_are_missing_are_told_each_the_rest_counted(tmp_path: Path) -> None:
    paths = (b"script/m.xml", b"script/n.xml.txt", b"script/deep/m.xml", b"script/o.xml/a", b"log/a", *IMAGES[18:])
    warnings = found(tmp_path, LISTED, paths, LISTING).warnings
    reasons = [*(f"no {number}.fits" for number in range(10)), "8 more names of files that are not there"]
    assert warnings == tuple(
        Problem(Code.W_CHECK, b"script/m.xml", expected="so it is", found=reason) for reason in reasons
    )


def test_listed_names_may_have_to_be_in_one_folder_and_refuse(tmp_path: Path) -> None:
    check = LISTED + '\nin = "script"\nsay = "refuse"'
    paths = (b"script/m.xml", b"script/3.fits", b"product/4.fits")
    problems = found(tmp_path, check, paths, b'<a><image name="3.fits"/><image name="4.fits"/></a>').problems
    assert [(each.code, each.found) for each in problems] == [(Code.CHECK_FAILED, "no script/4.fits")]


@pytest.mark.parametrize("say", ["", '\nsay = "refuse"'])
def test_list_that_cannot_be_read_is_told(tmp_path: Path, say: str) -> None:
    faults = found(tmp_path, LISTED + say, (b"script/m.xml",), b"<run>")
    ((problem,),) = (faults.problems or faults.warnings,)
    assert (problem.code is Code.CHECK_FAILED) == bool(say)
    assert str(problem.found).startswith("no list of names: it is not XML: no element found")


@pytest.mark.parametrize(
    "check",
    [
        "longest = 0",
        'listed_in = "script/*.xml"',
        'listed_in = "scripts/*.xml"\nelements = "image"',
        'listed_in = "script//*.xml"\nelements = "image"',
        'listed_in = "script/*.xml"\nelements = ["image", ""]',
        'listed_in = "script/*.xml"\nelements = "image"\nin = "scripts"',
        'listed_in = "script/{mous}.xml"\nelements = "image"',
        'longest = 9\nattribute = "name"',
        "longest = true",
        'longest = "9"',
        'letters = "z-a"',
        'lacks = ""',
        'holds = "*.py"\nin = "scripts"',
        'holds = "*.py"\nin = 1',
        'lacks = "*.py"\nin = "."',
        'lacks = "a"\nsay = "loudly"',
        'needs = "script"\nsay = "warn"',
    ],
)
def test_check_that_is_not_understood_is_refused(tmp_path: Path, check: str) -> None:
    with pytest.raises(Refused) as refused:
        found(tmp_path, check)
    assert os.fsdecode(refused.value.problems[0].path).endswith("mine.toml")
