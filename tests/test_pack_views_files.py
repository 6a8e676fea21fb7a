"""The files of a plan and of a package, listed: `pack plan --tree`, `pack show --member --role --files`."""

import json
import re

import pytest

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import UID, Delivery, add_measurement_sets, write

Capsys = pytest.CaptureFixture[str]


def test_tree_of_a_plan_has_every_file(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a.fits", b"x" * 2048)
    lines = run_here(capsys, "plan", delivery.origin, delivery.path, "--tree-all").out.splitlines()
    start = lines.index("            |   |   |   |   |-- product/")
    assert lines[0] == f"            |-- {delivery.path.name}/"
    assert lines[start + 1] == "   2.0 KiB  |   |   |   |   |   |-- a.fits"
    assert sum("|-- " in line and not line.endswith("/") for line in lines) == 16


def test_tree_tells_the_columns_of_split_tables(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--tree-all").out
    assert f"|-- {UID}.ms.split/\n{' ' * 12}{'|   ' * 6}drops MODEL_DATA, CORRECTED_DATA\n" in out
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--tree").out
    assert re.search(rf"\|-- {UID}\.ms\.split/  \d+ files\n[ |]*drops MODEL_DATA, CORRECTED_DATA\n", out)


def test_tree_shows_a_table_on_one_line_with_its_subtables(capsys: Capsys, delivery: Delivery) -> None:
    table = delivery.origin / f"X8c/{UID}.ms.tsys"
    write(table / "table.dat", b"x" * 1024)
    write(table / "table.f0", b"x" * 1024)
    write(table / "SPECTRAL_WINDOW/table.dat", b"x" * 1024)
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--tree").out
    assert f"   3.0 KiB  {'|   ' * 6}|-- {UID}.ms.tsys/  3 files\n" in out
    assert "SPECTRAL_WINDOW" not in out
    assert "tsys.antenna1.png" in out  # the folder beside it is no table
    assert "SPECTRAL_WINDOW" in run_here(capsys, "plan", delivery.origin, delivery.path, "--tree-all").out


def test_waiting_plan_is_shown_with_the_files_of_tables(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan()
    assert "SPECTRAL_WINDOW/\n" in run_here(capsys, "show", "--plan", delivery.path, "--files").out


def test_json_of_a_tree_lists_the_files(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a.fits", b"x" * 2048)
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, "--tree", "--json").out)
    (found,) = [file for file in fields["files"] if file["path"] == "product/a.fits"]
    assert found == {
        "path": "product/a.fits",
        "size": 2048,
        "action": "dummy",
        "xxh128": None,
        "source": "a.fits",
    }


def test_tree_escapes_names(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a\x1b[31m\n.fits", b"x")
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--tree").out
    assert "|-- a\\x1b[31m\\n.fits\n" in out


def test_show_lists_the_files_of_one_role(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "X8c/checklist.txt", b"x" * 1234)
    delivery.make()
    out = run_here(capsys, "show", delivery.path, "--role", "qa", "--files").out
    lines = out.split("\n\n")[-1].splitlines()
    assert lines[:2] == ["  qa/", "            1,234  X8c.checklist.txt"]
    assert [line.split()[-1] for line in lines[2:]] == [f"{UID}__qa2_part1.png", f"{UID}__textfile.txt"]


def test_show_of_one_role_tells_the_files_of_its_subfolders(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    fields = json.loads(run_here(capsys, "show", delivery.path, "--role", "calibration", "--files", "--json").out)
    (member,) = fields["members"]
    assert list(member["roles"]) == ["calibration"]
    assert len(member["files"]) == member["file_count"] == 6


def test_show_lists_all_files_with_their_digests(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    fields = json.loads(run_here(capsys, "show", delivery.path, "--files", "--json").out)
    (member,) = fields["members"]
    assert len(member["files"]) == member["file_count"] == 15
    assert {len(file["xxh128"]) for file in member["files"]} == {32}


@pytest.mark.parametrize("name", ["member_ouss_id2", "group_ouss_id/member_ouss_id2"])
def test_show_picks_a_member(capsys: Capsys, delivery: Delivery, name: str) -> None:
    delivery.make()
    delivery.make(append=Append.MEMBER)
    out = run_here(capsys, "show", delivery.path, "--member", name).out
    assert out.startswith(f"{delivery.path.name}: 1 of 2 members\n")
    assert "group_ouss_id/member_ouss_id2\n" in out
    assert "group_ouss_id/member_ouss_id\n" not in out


def test_a_member_that_is_not_there_is_refused_with_those_that_are(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    ran = run_here(capsys, "show", delivery.path, "--member", "member_ouss_id2")
    assert ran.code == Exit.FAILED
    assert "\n      member_ouss_id2: expected one of " in ran.err
    assert "group_ouss_id/member_ouss_id\n" in ran.err


def test_a_name_of_two_members_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.make(append=Append.GROUP)
    ran = run_here(capsys, "show", delivery.path, "--member", "member_ouss_id")
    assert ran.code == Exit.FAILED
    assert "  member-ambiguous: " in ran.err


@pytest.mark.parametrize("plan", [(), ("--plan",)])
def test_a_role_that_the_layout_lacks_is_refused_with_those_it_has(
    capsys: Capsys, delivery: Delivery, plan: tuple[str, ...]
) -> None:
    delivery.make()
    delivery.plan()
    ran = run_here(capsys, "show", delivery.path, "--role", "qa2", *plan)
    assert ran.code == Exit.FAILED
    assert "unknown-role" in ran.err and "raw, calibrated, calibration, script, qa, log, product" in ran.err
