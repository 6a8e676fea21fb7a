"""What `pack verify` shows where much is wrong, and that each command it prints can be typed as it stands."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, write
from support.two_members import SECOND

Capsys = pytest.CaptureFixture[str]
SCRIPT = "script/scriptForImaging.py"


def verified(capsys: Capsys, delivery: Delivery, *options: str) -> str:
    """Verify a package with problems, and return what is printed."""
    ran = run_here(capsys, "verify", delivery.path, *options)
    assert ran.code == Exit.PROBLEMS
    return ran.out


def commands(out: str) -> list[str]:
    """Return the commands that are printed, each alone on its line."""
    return [line.strip() for line in out.splitlines() if line.startswith("        pack ")]


def typed(capsys: Capsys, command: str) -> int:
    return run_here(capsys, *shlex.split(command)[1:]).code


def test_damaged_file_is_reported_with_the_file_it_came_from(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    os.truncate(delivery.member / SCRIPT, 1)
    assert f"found 1 byte; from {delivery.origin}/scriptForImaging.py\n" in verified(capsys, delivery)


def test_repair_that_is_advised_repairs(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    os.truncate(delivery.member / SCRIPT, 1)
    repair, again, apply = commands(verified(capsys, delivery))
    assert repair == f"pack repair {delivery.path}"
    assert (again, apply) == (
        f"pack plan --again {delivery.path} --rehash",
        f"pack apply {delivery.path} --keep-previous",
    )
    assert (typed(capsys, repair), delivery.problems()) == (0, [])


def test_member_is_made_again_by_the_advised_commands(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    os.truncate(delivery.member / SCRIPT, 1)
    write(delivery.origin / "scriptForImaging.py", b"other")
    *_, again, apply = commands(verified(capsys, delivery))
    assert [typed(capsys, again), typed(capsys, apply), delivery.problems()] == [0, 0, []]
    assert (delivery.member / SCRIPT).read_bytes() == b"other"


def test_hard_link_changed_in_place_is_repaired_from_another_copy(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    backup = write(tmp_path / "backup/any name", (delivery.origin / "scriptForImaging.py").read_bytes())
    delivery.make(Mode.HARD)
    with (delivery.member / SCRIPT).open("r+b") as file:
        file.write(b"!")
    out = verified(capsys, delivery)
    assert f"{delivery.origin}/scriptForImaging.py is the same file by a hard link" in " ".join(out.split())
    repair = commands(out)[0]
    assert repair == f"pack repair {delivery.path} --from FOLDER"
    assert typed(capsys, repair.replace("FOLDER", str(backup.parent))) == 0
    assert delivery.problems() == []


def test_moved_file_changed_through_its_symlink_is_not_called_gone(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    with (delivery.origin / "scriptForImaging.py").open("r+b") as file:
        file.write(b"!")
    told = " ".join(verified(capsys, delivery).split())
    assert f"{delivery.origin}/scriptForImaging.py, where it came from, is a symlink to it, so it has" in told
    assert "not there any more" not in told


def test_symlink_in_the_place_of_a_packaged_file_is_not_called_gone(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    os.truncate(delivery.member / SCRIPT, 1)
    source = delivery.origin / "scriptForImaging.py"
    source.rename(tmp_path / "elsewhere.py")
    source.symlink_to(tmp_path / "elsewhere.py")
    told = " ".join(verified(capsys, delivery).split())
    assert f"{source}, where it came from, is a symlink." in told
    assert "not there any more" not in told


@pytest.mark.parametrize("is_removed", [True, False])
def test_repair_from_an_origin_that_lost_the_file_is_not_advised(
    capsys: Capsys, delivery: Delivery, is_removed: bool
) -> None:
    delivery.make(Mode.COPY)
    os.truncate(delivery.member / SCRIPT, 1)
    source = delivery.origin / "scriptForImaging.py"
    source.unlink() if is_removed else source.write_bytes(b"new")
    out = verified(capsys, delivery)
    assert f"pack repair {delivery.path} --from FOLDER" in commands(out)
    assert f"pack repair {delivery.path}" not in commands(out)


def test_readme_changed_by_hand_is_taken_over_by_the_advised_command(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    readme = delivery.member / "README"
    readme.write_text("Comment: mine\n" + readme.read_text())
    repair, take = commands(verified(capsys, delivery))
    assert (repair, take) == (f"pack repair {delivery.path}", f"pack readme {delivery.path} --take-changes")
    assert (typed(capsys, take), delivery.problems()) == (0, [])
    assert readme.read_text().startswith("Comment: mine\n")


def test_commands_name_the_member_where_there_are_several(capsys: Capsys, two: Delivery) -> None:
    second = two.member.with_name("member_ouss_id2")
    (second / SCRIPT).unlink()
    repair, again, apply = commands(verified(capsys, two))
    assert repair == f"pack repair {two.path} --member {SECOND}"
    assert again == f"pack plan --again {two.path} --member {SECOND} --rehash"
    assert [typed(capsys, again), typed(capsys, apply), two.problems()] == [0, 0, []]
    for member in (second, two.member):
        os.truncate(member / "product/calibrated_all.clean.fits", 1)
    for command in (each for each in commands(verified(capsys, two)) if " repair " in each):
        assert typed(capsys, command) == 0
    assert two.problems() == []


def test_adopted_member_is_repaired_from_another_copy_only(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    for manifest in Path(os.fsdecode(delivery.package.manifests)).iterdir():
        manifest.unlink()
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE
    os.truncate(delivery.member / SCRIPT, 1)
    assert commands(verified(capsys, delivery)) == [f"pack repair {delivery.path} --from FOLDER"]


def test_what_was_added_is_left_out_by_the_advised_repair(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    write(delivery.member / "qa/added", b"x")
    (leave_out,) = commands(verified(capsys, delivery))
    assert leave_out == f"pack repair {delivery.path} --remove-extra"
    os.truncate(delivery.member / SCRIPT, 1)
    repair = commands(verified(capsys, delivery))[0]
    assert (repair, typed(capsys, repair), delivery.problems()) == (leave_out, 0, [])


def test_what_was_added_outside_of_the_members_is_removed_by_the_advised_commands(
    capsys: Capsys, delivery: Delivery
) -> None:
    delivery.make(Mode.COPY)
    write(delivery.path / "my notes", b"x")
    write(delivery.path / "sg_ouss_id/old/notes", b"x")
    out = verified(capsys, delivery)
    assert "pack repair" not in out
    removals = [line.strip() for line in out.splitlines() if line.startswith("        rm ")]
    assert removals == [f"rm '{delivery.path}/my notes'", f"rm -r {delivery.path}/sg_ouss_id/old"]
    for removal in removals:
        subprocess.run(shlex.split(removal), check=True)
    assert delivery.problems() == []


def test_repair_refused_for_what_is_outside_of_the_members_does_not_advise_itself(
    capsys: Capsys, delivery: Delivery
) -> None:
    delivery.make(Mode.COPY)
    write(delivery.path / "notes", b"x")
    (delivery.member / SCRIPT).unlink()
    refused = run_here(capsys, "repair", delivery.path, "--remove-extra")
    assert refused.code == Exit.FAILED
    assert "--remove-extra" not in refused.err
    assert f"        rm {delivery.path}/notes\n" in refused.err


def _folder_with_a_file(path: Path) -> None:
    path.unlink()
    write(path / "mine", b"mine")


def _file_for_a_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    write(path.parent, b"mine")


@pytest.mark.parametrize("damage", [_folder_with_a_file, _file_for_a_folder])
def test_repair_advised_for_something_else_in_the_place_of_a_file_or_folder_repairs(
    capsys: Capsys, two: Delivery, damage: Callable[[Path], None]
) -> None:
    damage(two.member.with_name("member_ouss_id2") / SCRIPT)
    repair = commands(verified(capsys, two))[0]
    assert repair == f"pack repair {two.path} --member {SECOND} --remove-extra"
    refused = run_here(capsys, "repair", two.path, "--from", two.origin)
    (with_copy,) = commands(refused.err)
    assert with_copy == f"pack repair {two.path} --member {SECOND} --from {two.origin} --remove-extra"
    assert (typed(capsys, with_copy), two.problems()) == (0, [])


def test_extra_files_without_the_name_of_a_member_are_refused_with_a_command_for_each(
    capsys: Capsys, two: Delivery
) -> None:
    write(two.member.with_name("member_ouss_id2") / "qa/added", b"x")
    advised = commands(run_here(capsys, "repair", two.path, "--remove-extra").err)
    assert [typed(capsys, command) for command in advised] == [0, 0]
    assert two.problems() == []


def test_repair_that_finds_nothing_does_not_advise_itself(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    for name in ("script/scriptForImaging.py", "product/calibrated_all.clean.fits"):
        os.truncate(delivery.member / name, 1)
        source = delivery.origin / Path(name).name
        state = source.stat()
        source.write_bytes(bytes(state.st_size))  # only its content tells that it is another one
        os.utime(source, ns=(state.st_atime_ns, state.st_mtime_ns))
    for name in ("script/scriptForImaging.py", "product/calibrated_all.clean.fits"):
        ran = run_here(capsys, "repair", delivery.path)
        assert ran.code != 0
        assert f"pack repair {delivery.path}" not in commands(ran.out + ran.err)
        assert f"pack repair {delivery.path} --from FOLDER" in commands(ran.out + ran.err)
        write(delivery.member / name, (delivery.origin / Path(name).name).read_bytes())


@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_ticket_files_are_written_again_by_the_advised_command(capsys: Capsys, two: Delivery, suffix: str) -> None:
    ticket = Path(f"{two.path}.ticket.{suffix}")
    ticket.write_bytes(b"")
    (again,) = commands(verified(capsys, two))
    assert (typed(capsys, again), two.problems()) == (0, [])
    ticket.unlink()
    (again,) = commands(run_here(capsys, "verify", two.path).out)
    assert (typed(capsys, again), two.problems()) == (0, [])


def test_ticket_file_with_many_faults_is_one_line(capsys: Capsys, two: Delivery) -> None:
    Path(os.fsdecode(two.package.manifest(SECOND.encode()))).unlink()
    second = two.member.with_name("member_ouss_id2")
    second.rename(two.path.parent / "away")
    out = verified(capsys, two)
    lines = [line for line in out.splitlines() if line.startswith("ticket-damaged ")]
    assert [line.count("which is not packaged") for line in lines] == [3, 3]
    assert all(line.endswith("; and 4 more") for line in lines)
    assert verified(capsys, two, "--all").count("ticket-damaged ../") == 14
    assert len(json.loads(run_here(capsys, "verify", two.path, "--json").out)["problems"]) == 14


def test_many_files_of_one_cause_are_a_few_lines(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    for number in range(25):
        write(delivery.member / f"qa/added{number:02}", b"x")
    (delivery.member / SCRIPT).unlink()
    lines = verified(capsys, delivery).splitlines()
    assert sum(line.startswith("extra sg_ouss_id/") for line in lines) == 20
    assert lines.index("and 5 more extra (--all or --json lists them)") == 20
    assert lines[21].startswith("missing ")
    assert lines[22].startswith("26 problems in 1 member")
    assert verified(capsys, delivery, "--all").count("\nextra sg_ouss_id/") == 24
    assert json.loads(run_here(capsys, "verify", delivery.path, "--json").out)["problem_count"] == 26


def test_member_that_is_gone_is_not_called_repairable(capsys: Capsys, two: Delivery) -> None:
    two.member.with_name("member_ouss_id2").rename(two.path.parent / "away")
    out = verified(capsys, two)
    assert "Put the folder of the member back" in out
    assert "pack repair" not in out
