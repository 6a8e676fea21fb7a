"""Recorded checks: what a layout checks is the same after its rows were written to disk and read back."""

from dataclasses import asdict
from pathlib import Path

import msgpack
import pytest

from qa2pack.manifest.format.check_row import CheckKind, CheckRow
from qa2pack.manifest.format.wire import read_value
from qa2pack.manifest.layout.check import Count
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.member_checks import Faults, member_faults
from qa2pack.manifest.layout.recorded_checks import checks_of, rows_of

LAYOUT = (
    '[variable.uid]\nlike = "uid"\n[[folder]]\nname = "script"\n[[place]]\nname = "top"\n[[check]]\nwhat = "why"\n'
)
PATHS = (
    b"script/a.py",
    b"script/b.py",
    b"script/uid___A002_X1_X2.py",
    b"script/uid_other.py",
    b"odd\xff",
    b"README",
    b"m.xml",
)


def faults(checks: object, data: bytes = b'<r><image name="a.py"/><image name="c.py"/></r>') -> Faults:
    return member_faults(checks, PATHS, lambda _: data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "check",
    [
        'at_most_one = "*.py"\nin = "script"',
        'at_most_one = "{uid}.py"\nin = "script"',
        'holds = ["*.{uid}", "x"]',
        'lacks = ["m.xml", "README"]',
        'letters = "a-z_."',
        'letters = "\\u0001-\\U0010ffff"',
        'longest = 5\nbut = ["README"]',
        'without = ["uid", "m."]\nbut = "m.xml"',
        'listed_in = "*.xml"\nelements = "image"\nattribute = "name"',
        'listed_in = "*.xml"\nelements = "image"\nattribute = "name"\nin = "script"',
        'listed_in = "*.xml"\nelements = "image"',
    ],
)
@pytest.mark.parametrize("say", ["warn", "refuse"])
def test_recorded_check_finds_the_same(tmp_path: Path, check: str, say: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LAYOUT + check + f'\nsay = "{say}"\n')
    layout = load_layout(str(path))
    wire = msgpack.unpackb(msgpack.packb([asdict(row) for row in rows_of(layout)]))
    read = checks_of(read_value(tuple[CheckRow, ...], wire))
    assert faults(read) == faults(layout.checks)
    assert [each.line for each in read] == [7]


def test_check_of_names_inside_is_one_of_these(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LAYOUT + 'without = "x"\ninside = true\n')
    layout = load_layout(str(path))
    assert checks_of(rows_of(layout)) == layout.checks


def test_code_of_a_warning_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LAYOUT.replace('what = "why"', 'code = "warning-name"') + 'without = "uid"\n')
    layout = load_layout(str(path))
    assert faults(checks_of(rows_of(layout))) == faults(layout.checks) != Faults((), ())


@pytest.mark.parametrize("name", ["cycle0", "as-is"])
def test_what_names_and_paths_of_a_member_do_not_decide_is_not_recorded(name: str) -> None:
    assert rows_of(load_layout(name)) == ()


@pytest.mark.parametrize(
    "row",
    [
        CheckRow(CheckKind.COUNT, "why", False, patterns=("a/b",)),
        CheckRow(CheckKind.LISTED, "why", False, patterns=("",)),
        CheckRow(CheckKind.NAMES, "why", False, letters=((5, 4),)),
        CheckRow(CheckKind.NAMES, "why", False, letters=((5, 1 << 40),)),
        CheckRow(CheckKind.NAMES, "why", False, letters=((1, 1 << 20), (1, 1 << 20))),
        CheckRow(CheckKind.NAMES, "why", False, code="no-code"),
        CheckRow(CheckKind.NAMES, "why", False, code="check-failed"),
    ],
)
def test_row_that_makes_no_sense_is_refused(row: CheckRow) -> None:
    with pytest.raises(ValueError):
        checks_of((row,))


@pytest.mark.parametrize("pattern", ["a[ab", "**.py", "b]"])
def test_pattern_that_layouts_may_not_have_any_more_is_read_as_it_was(pattern: str) -> None:
    (check,) = checks_of((CheckRow(CheckKind.COUNT, "why", False, patterns=(pattern,)),))
    assert isinstance(check, Count) and check.names.texts == (pattern,)
