"""`pack diff`: what a new plan would change, reported without writing anything."""

import json
import os
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import open_plan
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.file_systems import read_only
from support.in_process import Delivery, add_measurement_sets, make_reduction, write
from support.snapshots import snapshot
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]
NOTHING = "A new plan would change nothing.\n"


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_differs_after_packaging(capsys: Capsys, delivery: Delivery, mode: Mode) -> None:
    add_measurement_sets(delivery.origin)
    delivery.make(mode)
    ran = run_here(capsys, "diff", delivery.origin, delivery.path)
    assert ran.code == Exit.DONE
    assert " the same, 0 changed, 0 added, 0 removed\n" in ran.out
    assert ran.out.endswith(NOTHING)


def test_each_change_is_a_line_with_its_sizes(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "old.fits", b"x" * 10)
    write(delivery.origin / "scriptForImaging.py", b"x" * 20)
    delivery.make()
    os.unlink(delivery.origin / "old.fits")
    os.unlink(delivery.origin / "scriptForImaging.py")  # written in place, the hard link would change with it
    write(delivery.origin / "scriptForImaging.py", b"x" * 2048)
    write(delivery.origin / "new.fits", b"x" * 30)
    lines = run_here(capsys, "diff", delivery.origin, delivery.path).out.splitlines()
    assert lines[2:6] == [
        "+ product/new.fits  30 B",
        "- product/old.fits  10 B",
        "~ script/scriptForImaging.py  20 B -> 2.0 KiB",
        "Compared with its manifest: 13 files the same, 1 changed, 1 added, 1 removed",
    ]
    assert lines[-1] == f"  pack plan {delivery.origin} {delivery.path} --mode hard"


def test_other_content_of_the_same_size_is_a_change(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.origin / "scriptForImaging.py"
    write(script, bytes(script.stat().st_size))
    out = run_here(capsys, "diff", delivery.origin, delivery.path).out
    assert "\n~ script/scriptForImaging.py  " in out


def test_nothing_is_written(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    write(delivery.origin / "new.fits", b"x")
    before = snapshot(delivery.path.parent)
    assert "+ product/new.fits" in run_here(capsys, "diff", delivery.origin, delivery.path).out
    assert snapshot(delivery.path.parent) == before


def test_readme_is_not_compared(capsys: Capsys, delivery: Delivery) -> None:
    header = write(delivery.path.parent / "header.txt", b"SB name:\n")
    delivery.make(readme=os.fsencode(header))
    assert run_here(capsys, "diff", delivery.origin, delivery.path).out.endswith(NOTHING)


def test_rules_of_the_command_line_count(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    out = run_here(
        capsys, "diff", delivery.origin, delivery.path, "--exclude", "*.fits", "--include", "notes*=qa"
    ).out
    assert "- product/calibrated_all.clean.fits" in out
    assert "+ qa/notes of the reducer" in out


def test_the_member_of_the_same_origin_is_compared(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    other = Delivery(make_reduction(delivery.origin.parent / "sb2", seed=2), delivery.path)
    other.make(append=Append.MEMBER)
    fields = json.loads(run_here(capsys, "diff", other.origin, delivery.path, "--json").out)
    assert fields["member"] == "group_ouss_id/member_ouss_id2"
    assert fields["changes"] == []


def test_an_origin_that_was_never_packaged_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    other = make_reduction(delivery.origin.parent / "sb2", seed=2)
    ran = run_here(capsys, "diff", other, delivery.path)
    assert ran.code == Exit.FAILED
    assert f"\n  origin-unknown: No member of the package was made from this origin.\n      {other}\n" in ran.err


def test_any_member_is_compared_if_it_is_named(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    other = make_reduction(delivery.origin.parent / "sb2", seed=2)
    ran = run_here(capsys, "diff", other, delivery.path, "--member", "member_ouss_id", "--json")
    assert {change["change"] for change in json.loads(ran.out)["changes"]} == {"changed"}


def test_command_that_is_advised_leaves_the_other_members(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    other = make_reduction(delivery.origin.parent / "sb2", seed=2)
    Delivery(other, delivery.path).make(append=Append.MEMBER)
    write(other / "new.fits", b"x")
    advised = run_here(capsys, "diff", other, delivery.path).out.splitlines()[-1]
    assert run_here(capsys, *advised.split()[1:]).code == Exit.DONE
    header = open_plan(delivery.package.plan).header
    assert (header.append, header.member) == (Append.REPLACE, b"group_ouss_id/member_ouss_id2")


def test_a_broken_origin_is_refused_as_in_a_plan(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    (delivery.origin / "gone.fits").symlink_to("nowhere")
    ran = run_here(capsys, "diff", delivery.origin, delivery.path)
    assert ran.code == Exit.FAILED
    assert "link-dangling" in ran.err


def test_it_compares_where_nothing_may_be_written(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    stored = Delivery(delivery.origin, archive / delivery.path.name)
    stored.make(Mode.COPY)
    with read_only(archive, tmp_path / "read-only") as locked:
        ran = run_here(capsys, "diff", delivery.origin, locked / stored.path.name)
    assert (ran.code, ran.out.endswith(NOTHING)) == (Exit.DONE, True)


def test_it_compares_for_those_who_may_not_write(capsys: Capsys) -> None:
    with folder_of_everybody() as common:
        (common / "archive").mkdir()
        stored = Delivery(make_reduction(common / "sb1"), common / "archive/2011.0.00229.S")
        stored.make(Mode.COPY)
        stored.path.parent.chmod(0o555)
        with as_ordinary_user():
            ran = run_here(capsys, "diff", stored.origin, stored.path)
    assert (ran.code, ran.out.endswith(NOTHING)) == (Exit.DONE, True)


def test_what_does_not_belong_to_the_package_is_not_in_the_way(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    write(delivery.path / "notes.txt", b"of somebody")
    assert run_here(capsys, "diff", delivery.origin, delivery.path).out.endswith(NOTHING)


def test_names_are_escaped(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    write(delivery.origin / "a\x1b[31m.fits", b"x")
    assert "+ product/a\\x1b[31m.fits  1 B\n" in run_here(capsys, "diff", delivery.origin, delivery.path).out


def test_new_file_that_no_rule_takes_is_reported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    write(delivery.origin / "more notes", b"x")
    out = run_here(capsys, "diff", delivery.origin, delivery.path).out
    reported = "Left out by a new plan, and not by the one of the package: 1\n      more notes\n"
    assert out.endswith(NOTHING + reported)


def test_member_of_an_unknown_layout_is_compared_by_the_usual_one(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE
    ran = run_here(capsys, "diff", delivery.origin, delivery.path, "--member", "member_ouss_id")
    assert ran.code == Exit.DONE, ran.err
    assert ran.out.endswith(NOTHING)
