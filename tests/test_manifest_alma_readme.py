"""The README of a member."""

from pathlib import Path

import pytest

from qa2pack.manifest.alma.readme import (
    KNOWN_FIELDS,
    blank_fields,
    header_template,
    project_of,
    readme_text,
    tree_lines,
    with_project,
)
from support.cycle0 import ROLES

PROJECT, MEMBER = b"2011.0.00229.S", b"group_ouss_id/member_ouss_id2"
PATHS = [
    b"raw/uid___A002_X1_X2.ms.split/",
    b"calibration/uid___A002_X1_X2.calibration/uid___A002_X1_X2.ms.wvr/",
    b"calibration/uid___A002_X1_X2.calibration/uid___A002_X1_X2.ms.listobs",
    b"qa/X2.checklist.txt",
]
TREE = b"""\
|-- 2011.0.00229.S/
|   |-- sg_ouss_id/
|   |   |-- group_ouss_id/
|   |   |   |-- member_ouss_id2/
|   |   |   |   |-- README
|   |   |   |   |-- raw/
|   |   |   |   |   |-- uid___A002_X1_X2.ms.split/
|   |   |   |   |-- calibrated/
|   |   |   |   |-- calibration/
|   |   |   |   |   |-- uid___A002_X1_X2.calibration/
|   |   |   |   |-- script/
|   |   |   |   |-- qa/
|   |   |   |   |   |-- X2.checklist.txt
|   |   |   |   |-- log/
|   |   |   |   |-- product/
"""


def text(header: bytes) -> bytes:
    return readme_text(header, project=PROJECT, member=MEMBER, sb_name=b"setup3", roles=ROLES, paths=[])


def test_tree_is_the_end_of_the_file() -> None:
    assert (
        readme_text(b"Notes\n", project=PROJECT, member=MEMBER, sb_name=b"setup3", roles=ROLES, paths=PATHS)
        == b"Notes\n" + TREE
    )


def test_tree_starts_on_a_line_of_its_own() -> None:
    assert text(b"Notes").startswith(b"Notes\n|-- 2011.0.00229.S/\n")


def test_order_of_the_paths_has_no_influence() -> None:
    assert tree_lines(PROJECT, MEMBER, ROLES, PATHS) == tree_lines(PROJECT, MEMBER, ROLES, PATHS[::-1])


def test_blank_fields_are_filled_in() -> None:
    header = b"Project code:\nSB name: \t\nPI name:\n"
    assert text(header).startswith(b"Project code: 2011.0.00229.S\nSB name: setup3\nPI name:\n|--")


def test_filled_fields_are_left_alone() -> None:
    header = b"Project code: 2011.0.1.S\nSB name: mine\n"
    assert text(header).startswith(header)


def test_rest_of_the_header_is_left_alone() -> None:
    header = b"\xff Project code:\r\n  text  \r\n\n\n"
    assert text(header).startswith(header)


def test_line_ends_of_other_systems_are_kept() -> None:
    assert text(b"SB name:\r\nPI name:\r\n").startswith(b"SB name: setup3\r\nPI name:\r\n")


def test_name_with_a_newline_stays_on_its_line() -> None:
    lines = tree_lines(PROJECT, MEMBER, ROLES, [b"qa/a\nb", b"qa/\xff"])
    assert lines[10:12] == [rb"|   |   |   |   |   |-- a\nb", rb"|   |   |   |   |   |-- \xff"]


def test_template_has_every_field_and_explains_every_role() -> None:
    lines = header_template().decode().splitlines()
    fields = "Cycle,Project code,SB name,PI name,Project title,Configuration,Proposed rms"
    wanted = [*fields.split(","), "CASA version used for reduction", "Comments from Reducer"]
    assert [line.partition(":")[0] for line in lines[: len(wanted)]] == wanted
    assert {role.name for role in ROLES} <= {line.partition(" ")[0] for line in lines}


def test_template_gets_its_fields_filled_in() -> None:
    assert b"\nProject code: 2011.0.00229.S\nSB name: setup3\nPI name:\n" in text(header_template())


def test_blank_fields_of_the_template_are_those_that_are_not_filled_in() -> None:
    assert b", ".join(blank_fields(text(header_template()))) == (
        b"PI name, Project title, Configuration, Proposed rms, CASA version used for reduction, Comments from Reducer"
    )


def test_field_with_its_value_on_the_next_line_and_what_is_no_field_are_not_blank() -> None:
    assert blank_fields(b"PI name:\r\nTitle: x\r\nComments:\r\nfine\r\n\r\nWhere:\r\n\r\n") == [b"PI name"]


def test_blank_fields_are_found_below_a_title_and_an_empty_line() -> None:
    assert blank_fields(b"Notes of the reducer\n\nPI name:\nProject title: x\n\nConfiguration:\n\nAs usual:\n\n") == [
        b"PI name",
        b"Configuration",
    ]


@pytest.mark.parametrize(
    "line", [b"   * %s:", b"   * *%s:* ", b"| *%s* | |", b"|%s|", b"---++ %s: ", b"  %s : \r", b"*%s*:"]
)
def test_blank_fields_are_found_in_the_markup_of_a_wiki_page(line: bytes) -> None:
    fields = [b"Cycle", b"PI name", b"CASA version used for reduction"]
    text = b"---+ Package\n\n" + b"".join(line % field + b"\n" for field in fields)
    assert blank_fields(text) == fields


@pytest.mark.parametrize("line", [b"   * *%s:* x", b"| *%s* | x |", b"%s: -1 mJy", b"%s:\nx"])
def test_filled_fields_on_a_wiki_page_are_not_blank(line: bytes) -> None:
    assert blank_fields(b"---+ Package\n\n" + line % b"Proposed rms" + b"\n" + line % b"PI name" + b"\n") == []


def test_blank_fields_are_those_at_the_beginning_and_those_of_alma_below_in_their_order() -> None:
    assert blank_fields(b"Written by:\nPI name:\n\nProposed rms:\n\nSeen by:\n") == [
        b"Written by",
        b"PI name",
        b"Proposed rms",
    ]


def test_names_in_the_tree_are_no_fields() -> None:
    assert blank_fields(b"Cycle: 1\n\n|-- 2011.0.00229.S/\n|   |-- Cycle:\n") == []


@pytest.mark.parametrize(
    "field",
    [
        b"Project code: %s",
        b"  Project code:%s  ",
        b" * *Project code*: %s",
        b"| Project code | %s |",
        b"Project code: %s\r",
    ],
)
def test_project_code_is_changed_in_its_field_and_in_the_tree(field: bytes) -> None:
    text = b"PI name:\n" + field + b"\nAs %s, or 1.S.x\nProject code: 1.S.x\n|-- %s/\n|   |-- sg_ouss_id/\n|-- 1.S/\n"
    count = text.count(b"%s")
    changed = text % (b"2.S", *(b"1.S" for _ in range(count - 2)), b"2.S")
    assert with_project(text % ((b"1.S",) * count), b"1.S", b"2.S") == changed


def test_other_codes_stay() -> None:
    text = b"Project code: 3.S\nThe 1.S of before\n"
    assert with_project(text, b"1.S", b"2.S") == text


@pytest.mark.parametrize(
    "line",
    [b"<b>%s:</b>", b"| *%s* | *Other* |\n| | |", b"%s: TBD", b"%s -"],
    ids=["html", "row", "word", "no colon"],
)
def test_what_the_page_says_is_not_recognised_is_not(line: bytes) -> None:
    assert blank_fields(b"---+ Package\n\n" + line % b"PI name" + b"\n") == []


def test_code_and_name_are_filled_in_on_plain_lines_only() -> None:
    header = b"---+ Package\n\n   * Project code:\n| SB name: | |\n"
    assert text(header).startswith(header)


def test_page_names_all_fields_that_are_recognised() -> None:
    page = " ".join((Path(__file__).resolve().parents[1] / "docs/commands.md").read_text().split())
    assert [field for field in KNOWN_FIELDS if f" {field.decode()}" not in page] == []


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (b"Cycle: 0\nProject code: 2011.0.00229.S\nSB name: x\n", b"2011.0.00229.S"),
        (b"   * *Project code:* 2011.0.00229.S \r\n", b"2011.0.00229.S"),
        (b"| Project code | 2011.0.00229.S |\n", b"2011.0.00229.S"),
        (b"Project code:\nSB name: x\n", b""),
        (b"PI name: A\n|-- 1.S/\nProject code: 2011.0.00229.S\n", b""),
    ],
)
def test_project_that_a_header_names(header: bytes, named: bytes) -> None:
    assert project_of(header) == named
