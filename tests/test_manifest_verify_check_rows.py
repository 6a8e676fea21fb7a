"""Check rows: verify applies the checks of the layout to a package, and finds what the plan found."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.check_row import CheckKind, CheckRow
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.verify.check_rows import check_row_problems
from support.in_process import Delivery, write

LAYOUT = b"""
[[place]]
name = "top"
[[folder]]
name = "script"
[[folder]]
name = "product"
[[rule]]
kind = "tree"
match = "*"
to = "product/{name}"
[[rule]]
match = "*.fits"
to = "product/all/{name}"
[[rule]]
match = "*"
to = "script/{name}"
[[write]]
to = "list.txt"
text = "written"
[[check]]
letters = "a-z./"
what = "lower case"
[[check]]
holds = "weblog"
in = "product"
what = "the weblog"
[[check]]
at_most_one = "*.py"
in = "script"
what = "one script"
[[check]]
holds = ["READ", "lust.txt"]
what = "a reader"
[[check]]
without = "dd N"
inside = true
what = "no text of two words"
[[check]]
without = "ndex"
inside = true
code = "warning-name"
[[check]]
listed_in = "script/*.xml"
elements = "image"
attribute = "name"
what = "listed"
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    write(tmp_path / "mine.toml", LAYOUT)
    for name in ("weblog/deep/Odd Name.html", "weblog/Index.html", "IMAGE.fits", "a.py", "b.py"):
        write(tmp_path / "run" / name, name.encode())
    write(tmp_path / "run/m.xml", b'<run><image name="IMAGE.fits"/><image name="b.fits"/></run>')
    return Delivery(tmp_path / "run", tmp_path / "2011.0.00229.S")


def made(delivery: Delivery, mode: Mode = Mode.HARD) -> tuple[Problem, ...]:
    """Package and return the warnings of the checks of the member."""
    plan = delivery.plan(mode, layout=str(delivery.origin.parent / "mine.toml"))
    delivery.apply()
    return tuple(each for each in plan.notes.warnings if each.code is Code.W_CHECK)


def manifest_of(delivery: Delivery) -> Described:
    return open_manifest(delivery.package.manifest(b"."))


def with_checks(manifest: Described, *rows: CheckRow) -> Described:
    return replace(manifest, header=replace(manifest.header, checks=rows))


def told(problems: Iterable[Problem]) -> set[tuple[bytes, str]]:
    return {(each.path, str(each.found)) for each in problems}


LISTED = (b"script/m.xml", "no b.fits")
INSIDE = (b"product/weblog/deep/Odd Name.html", '"dd N"')
OTHERS = {
    (b"README", '"R", "E", "A", "D" and 1 more'),
    (b"product/all/IMAGE.fits", '"I", "M", "A", "G" and 1 more'),
    (b"script", "a.py, b.py"),
    (b".", "none"),
    INSIDE,
}


def test_verify_warns_of_what_the_plan_warned_of(delivery: Delivery) -> None:
    warnings = made(delivery)
    assert told(warnings) == {*OTHERS, LISTED}
    assert set(delivery.problems()) == set(warnings)


@pytest.mark.parametrize(("mode", "is_quick"), [(Mode.HARD, True), (Mode.FAKE, False)])
def test_list_is_not_read_where_no_content_is(delivery: Delivery, mode: Mode, is_quick: bool) -> None:
    assert told(made(delivery, mode)) == {*OTHERS, LISTED}
    assert told(delivery.problems(is_quick=is_quick)) == OTHERS


def test_list_is_read_in_the_package(delivery: Delivery) -> None:
    made(delivery)
    listing = delivery.path / "script/m.xml"
    listing.unlink()
    listing.symlink_to(write(delivery.origin.parent / "other.xml", b'<run><image name="z"/></run>'))
    words = [str(each.found) for each in delivery.problems() if each.path == LISTED[0]]
    assert any("no list of names" in text for text in words), words
    assert not any("no z" in text for text in words)


def test_check_that_refuses_is_a_problem_of_verify(delivery: Delivery) -> None:
    made(delivery)
    manifest = manifest_of(delivery)
    rows = [replace(row, refuses=True) for row in manifest.header.checks if not row.is_inside]
    found = list(check_row_problems(with_checks(manifest, *rows), delivery.package.path, is_reading=True))
    assert {each.code for each in found} == {Code.CHECK_FAILED}
    assert told(found) == {*OTHERS, LISTED} - {INSIDE}


def test_rows_that_make_no_sense_are_damage(delivery: Delivery) -> None:
    made(delivery)
    row = CheckRow(CheckKind.COUNT, "why", True, patterns=("a/b",))
    found = list(check_row_problems(with_checks(manifest_of(delivery), row), b"", is_reading=True))
    assert [each.code for each in found] == [Code.MANIFEST_DAMAGED]


def test_what_is_listed_as_packaged_counts_not_what_is_there(delivery: Delivery) -> None:
    made(delivery)
    os.unlink(delivery.path / "script/b.py")
    problems = delivery.problems()
    assert (Code.MISSING, b"script/b.py") in [(each.code, each.path) for each in problems]
    assert {*OTHERS} <= told(problems)
