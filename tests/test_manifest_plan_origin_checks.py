"""Checks of the origin in a plan: a package in its place, blocks inside one, and refusals that name what it is."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Refused
from support.in_process import Delivery, make_reduction, write

ABOUT_THE_ORIGIN = {Code.NO_PLACE, Code.W_OTHER_DELIVERY, Code.W_DEEPER_SB, Code.W_NESTED_EB}


def found(delivery: Delivery) -> list[tuple[Code, str]]:
    """Return what a plan tells of its origin, whether or not it is refused; paths relative to the origin."""
    try:
        problems = delivery.made(Mode.FAKE).notes.warnings
    except Refused as error:
        problems = error.problems
    return sorted(
        (each.code, os.path.relpath(os.fsdecode(each.path), delivery.origin))
        for each in problems
        if each.code in ABOUT_THE_ORIGIN
    )


@pytest.fixture
def onwards(delivery: Delivery, tmp_path: Path) -> Delivery:
    """A package that was made, as the origin of another one."""
    delivery.make(Mode.COPY)
    (tmp_path / "out").mkdir()
    return Delivery(delivery.path, tmp_path / "out/2011.0.00230.S")


def test_package_in_place_of_a_reduction_is_named_in_the_refusal(onwards: Delivery) -> None:
    assert found(onwards) == [
        (Code.NO_PLACE, "."),
        (Code.W_OTHER_DELIVERY, "../2011.0.00229.S.pack"),
        (Code.W_OTHER_DELIVERY, "sg_ouss_id"),
    ]


def test_member_of_a_package_in_place_of_a_reduction_is_named(onwards: Delivery) -> None:
    member = onwards.origin / "sg_ouss_id/group_ouss_id/member_ouss_id"
    assert (Code.W_OTHER_DELIVERY, "../../..") in found(replace(onwards, origin=member))


def test_reduction_with_a_control_folder_beside_it_is_named(delivery: Delivery) -> None:
    assert found(delivery) == []
    (delivery.origin.parent / "sb1.pack/manifests").mkdir(parents=True)
    assert found(delivery) == [(Code.W_OTHER_DELIVERY, "../sb1.pack")]


def test_blocks_of_a_package_in_the_origin_are_not_taken_for_scheduling_blocks(onwards: Delivery) -> None:
    origin = make_reduction(onwards.origin.parent / "sb2", seed=2)
    shutil.copytree(onwards.origin, origin / "old")
    assert found(replace(onwards, origin=origin)) == [(Code.W_OTHER_DELIVERY, "old/sg_ouss_id")]


def test_scheduling_blocks_are_named_in_the_refusal_of_the_folder_above_them(tmp_path: Path) -> None:
    for number in (1, 2):
        make_reduction(tmp_path / f"project/sb{number}", uid=f"uid___A002_X1_X{number}", block=f"X{number}")
    (tmp_path / "out").mkdir()
    assert found(Delivery(tmp_path / "project", tmp_path / "out/2011.0.00229.S")) == [
        (Code.NO_PLACE, "."),
        (Code.W_DEEPER_SB, "sb1"),
        (Code.W_DEEPER_SB, "sb2"),
    ]


LISTED = """
name = "listed"
[[place]]
name = "top"
[[folder]]
name = "script"
[[folder]]
name = "product"
[[rule]]
match = "{stem}.xml"
to = "script/{stem}.manifest.xml"
[[rule]]
match = "*.fits"
to = "product/{name}"
[[check]]
listed_in = "script/*.manifest.xml"
elements = "image"
attribute = "name"
what = "the archive looks for what the manifest lists"
"""


@pytest.fixture
def listed(tmp_path: Path) -> Delivery:
    """An origin with a list of two images, of which one is there, and a layout beside it that checks it."""
    write(tmp_path / "listed.toml", LISTED.encode())
    write(tmp_path / "run/a.fits", b"image")
    write(tmp_path / "run/m.xml", b'<run><image name="a.fits"/><image name="b.fits"/></run>')
    return Delivery(tmp_path / "run", tmp_path / "2011.0.00229.S")


def told(delivery: Delivery, mode: Mode) -> list[tuple[bytes, str]]:
    layout = str(delivery.origin.parent / "listed.toml")
    warnings = delivery.plan(mode, layout=layout).notes.warnings
    return [(each.path, str(each.found)) for each in warnings if each.code is Code.W_CHECK]


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.HARD])
def test_list_is_read_from_the_origin_and_names_what_the_package_lacks(listed: Delivery, mode: Mode) -> None:
    assert told(listed, mode) == [(b"script/m.manifest.xml", "no b.fits")]
    write(listed.origin / "b.fits", b"image")
    assert told(listed, mode) == []


def test_list_that_was_moved_is_read_where_it_is(listed: Delivery) -> None:
    told(listed, Mode.MOVE)
    listed.apply()
    assert (listed.origin / "m.xml").is_symlink()
    assert told(listed, Mode.MOVE) == [(b"script/m.manifest.xml", "no b.fits")]


def test_list_larger_than_any_is_not_read(listed: Delivery) -> None:
    os.truncate(listed.origin / "m.xml", 1 << 27)
    ((_, found),) = told(listed, Mode.FAKE)
    assert found == "no list of names: a file of 128.0 MiB, more than the 64.0 MiB that are read"


NAMES = """
[[place]]
name = "top"
[[folder]]
name = "qa"
[[rule]]
match = "*"
to = "qa/under score/{name}"
"""
CASES = ["a file", "a tree/table.dat"]
INSIDE = '[[check]]\nwithout = [" ", "sub_"]\ninside = true\nwhat = "no blanks"\n[[check]]\nunlike = "case"\n'


@pytest.mark.parametrize("checks", ["", INSIDE], ids=["without", "inside"])
def test_names_of_files_trees_and_folders_are_warned_of_if_the_layout_says_so(tmp_path: Path, checks: str) -> None:
    write(tmp_path / "listed.toml", (NAMES + checks).encode())
    for name in ("a tree/sub_1/a b", "a tree/table.dat", "a tree/Table.dat", "a file", "A file", "good"):
        write(tmp_path / "run" / name, b"x")
    delivery = Delivery(tmp_path / "run", tmp_path / "2011.0.00229.S")
    warnings = delivery.plan(Mode.HARD, layout=str(tmp_path / "listed.toml")).notes.warnings
    found = [(each.code, os.fsdecode(each.path).removeprefix("qa/under score/")) for each in warnings]
    blanks = ["A file", "a file", "a tree", "a tree/sub_1", "a tree/sub_1/a b", "qa/under score"]
    wanted = [*((Code.W_CHECK, path) for path in blanks), *((Code.W_CASE, path) for path in CASES)]
    assert sorted(found) == sorted(wanted if checks else [])
