"""Each command on a real package: what it prints, as text and as JSON, and its exit code."""

import json
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import UID, Delivery, add_measurement_sets, write
from support.snapshots import contents

Capsys = pytest.CaptureFixture[str]


def test_plan_then_apply_then_verify(capsys: Capsys, delivery: Delivery) -> None:
    planned = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "hard")
    assert planned.code == Exit.DONE
    assert f"pack apply {delivery.path}" in planned.out
    assert not delivery.path.exists()
    applied = run_here(capsys, "apply", delivery.path)
    assert applied.code == Exit.DONE
    assert f"pack verify {delivery.path}" in applied.out
    verified = run_here(capsys, "verify", delivery.path)
    assert verified.code == Exit.DONE
    assert verified.out.startswith("All as packaged: 1 member, ")


def test_results_go_to_stdout_alone(capsys: Capsys, delivery: Delivery) -> None:
    assert run_here(capsys, "plan", delivery.origin, delivery.path).err == ""


def test_plan_lists_what_is_left_out_with_its_reason(capsys: Capsys, delivery: Delivery) -> None:
    lines = run_here(capsys, "plan", delivery.origin, delivery.path).out.splitlines()
    place = lines.index("      notes of the reducer")
    assert lines[place - 1] == "  no rule of layout cycle0 takes it"


def test_plan_shows_the_table_splits(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    out = run_here(capsys, "plan", delivery.origin, delivery.path).out
    assert "Tables that lose data columns: 2, " in out
    assert f"  raw/{UID}.ms.split\n      keeps DATA; drops MODEL_DATA, CORRECTED_DATA; " in out


def test_plan_without_splits_packages_all_columns(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    assert "lose data columns" not in run_here(capsys, "plan", delivery.origin, delivery.path, "--no-split").out


def test_plan_says_what_is_replaced(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "hard").out
    assert "At the destination: this package, which is replaced\n  group_ouss_id/member_ouss_id\n" in out
    assert " the same, 0 changed," in out


def test_plan_says_what_is_kept_when_appending(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--append", "group").out
    assert "this package; a group is added, and these stay:\n  group_ouss_id/member_ouss_id\n" in out


def test_excluded_and_included_files_are_planned_so(capsys: Capsys, delivery: Delivery) -> None:
    choices = ("--exclude", "*.log", "--include", "notes*=log")
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, *choices, "--json").out)
    assert fields["roles"]["log"]["file_count"] == 1
    assert {left["path"] for left in fields["left_out"]} == {"X8c/ipython.log", "casapy-2012-05-03T115433.log"}


def test_warnings_are_explained_once_and_cut_at_twenty_paths(capsys: Capsys, delivery: Delivery) -> None:
    for number in range(30):
        write(delivery.origin / f"a {number:02}.fits", b"x")
    out = run_here(capsys, "plan", delivery.origin, delivery.path).out
    assert "\nWarnings: 32\n" in out, "raw and calibrated are empty, too"
    assert out.count("\n  warning-name: Receiving programs refuse this name.\n") == 1
    assert "      product/a 19.fits\n      and 10 more (--all or --json lists them)\n" in out


def test_json_of_a_plan_lists_all_warnings(capsys: Capsys, delivery: Delivery) -> None:
    for number in range(30):
        write(delivery.origin / f"a {number:02}.fits", b"x")
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, "--json").out)
    assert len([each for each in fields["warnings"] if each["code"] == "warning-name"]) == 30


def test_control_characters_of_names_are_escaped(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a\x1b[31m\n.fits", b"x")
    write(delivery.origin / "left\x07out", b"x")
    out = run_here(capsys, "plan", delivery.origin, delivery.path).out
    assert [char for char in out if not char.isprintable() and char != "\n"] == []
    assert "product/a\\x1b[31m\\n.fits" in out
    assert "left\\x07out" in out


def test_text_of_a_plan_fits_eighty_columns(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    lines = run_here(capsys, "plan", delivery.origin, delivery.path).out.splitlines()
    assert [line for line in lines if len(line) > 80 and str(delivery.origin.parent) not in line] == []


def test_every_json_is_one_object(capsys: Capsys, delivery: Delivery) -> None:
    package = delivery.path
    commands: list[list[str | Path]] = [
        ["plan", delivery.origin, package, "--mode", "hard"],
        ["status", package],
        ["apply", package],
        ["verify", package],
        ["show", package],
        ["adopt", package],
        ["rollback", package],
    ]
    printed = [json.loads(run_here(capsys, *command, "--json").out) for command in commands]
    assert [fields["command"] for fields in printed] == [command[0] for command in commands]
    assert {(fields["exit_code"], fields["package"]) for fields in printed} == {(0, str(package))}


def test_verify_names_every_problem_on_a_line(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (delivery.member / "script/scriptForImaging.py").unlink()
    with (delivery.member / "README").open("a") as file:
        file.write("x")
    ran = run_here(capsys, "verify", delivery.path)
    assert ran.code == Exit.PROBLEMS
    first, second, summary, *_ = ran.out.splitlines()
    assert first.startswith("grown sg_ouss_id/group_ouss_id/member_ouss_id/README: expected ")
    path = "script/scriptForImaging.py"
    source = delivery.origin / "scriptForImaging.py"
    assert second == f"missing sg_ouss_id/group_ouss_id/member_ouss_id/{path}; from {source}"
    assert summary.startswith("2 problems in 1 member, ")


def test_quick_verify_reads_no_content(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    script.write_bytes(bytes(script.stat().st_size))
    assert run_here(capsys, "verify", delivery.path, "--quick").code == Exit.DONE
    assert run_here(capsys, "verify", delivery.path).code == Exit.PROBLEMS


def test_json_of_verify_holds_the_problems(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    (delivery.path / "x\xff").mkdir()
    ran = run_here(capsys, "verify", delivery.path, "--json")
    assert ran.code == Exit.PROBLEMS
    fields = json.loads(ran.out)
    (problem,) = fields["problems"]
    assert (problem["code"], problem["path"]) == ("extra-folder", "xÿ")


def test_show_says_where_a_member_came_from(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    out = run_here(capsys, "show", delivery.path).out
    assert f"  from     {delivery.origin}\n" in out
    assert "  mode     hard\n" in out


def test_adopted_package_can_be_verified(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path.parent / "2011.0.00229.S.pack")
    assert run_here(capsys, "verify", delivery.path).code == Exit.PROBLEMS
    assert "Adopted: group_ouss_id/member_ouss_id\n" in run_here(capsys, "adopt", delivery.path).out
    assert run_here(capsys, "verify", delivery.path).code == Exit.DONE
    assert "it was found as it is" in run_here(capsys, "show", delivery.path).out


def test_adopt_again_changes_nothing(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    before = contents(delivery.path.parent)
    assert "nothing was changed" in run_here(capsys, "adopt", delivery.path).out
    assert contents(delivery.path.parent) == before


def test_rollback_reverts_the_last_apply(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.out.startswith("Rolled back: the last apply, which made group_ouss_id/member_ouss_id\n")
    assert not delivery.path.exists()


def test_rollback_says_why_it_is_not_possible(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (delivery.member / "script/scriptForImaging.py").write_text("better")
    before = contents(delivery.path)
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.code == Exit.FAILED
    assert "script/scriptForImaging.py" in ran.err
    assert contents(delivery.path) == before


def test_status_names_the_next_command(capsys: Capsys, delivery: Delivery) -> None:
    nothing = run_here(capsys, "status", delivery.path).out
    delivery.plan()
    planned = run_here(capsys, "status", delivery.path).out
    delivery.apply()
    finished = run_here(capsys, "status", delivery.path).out
    assert f"next:\n  pack plan ORIGIN {delivery.path}" in nothing
    assert f"next:\n  pack apply {delivery.path}" in planned
    assert f"next:\n  pack verify {delivery.path}" in finished


def test_relative_paths_and_slashes_are_taken(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    header = tmp_path / "header.txt"
    header.write_text("Cycle: 0\n")
    arguments = ("sb1/", "./2011.0.00229.S/", "--readme", "header.txt", "--mode", "copy")
    assert run_here(capsys, "plan", *arguments).code == Exit.DONE
    assert run_here(capsys, "apply", "2011.0.00229.S").code == Exit.DONE
    assert (delivery.member / "README").read_text().startswith("Cycle: 0\n")


def test_verify_of_a_renamed_package_says_so_once_and_compares_nothing(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.path.rename(delivery.path.with_name("elsewhere"))
    verified = run_here(capsys, "verify", delivery.path)
    assert verified.code == Exit.PROBLEMS
    assert verified.out.startswith(
        f"package-gone {delivery.path}\n1 problem in 0 members, 0 files, 0 B; nothing compared\n"
    )
    assert "give it the name back" in " ".join(verified.out.split())


def test_plan_reports_which_fields_of_the_readme_are_blank(capsys: Capsys, delivery: Delivery) -> None:
    header = write(delivery.origin.with_name("header"), b"PI name:\nProject title: x\n\n")
    template = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert "\n  readme   still blank: PI name, Project title, " in template.out
    own = run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", header)
    assert "\n  readme   still blank: PI name\n" in own.out
