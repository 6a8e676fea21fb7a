"""`pack status`, and what other commands say, where the package, its plan or its journal is not as one expects."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.rollback import roll_back_package
from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import journal_path, lock_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format import opened_files
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.progress import Silent
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.faulty_disk import DiscardStoppingDisk, Fault, FaultyDisk, ReplaceStoppingDisk, Stopped, StoppingDisk
from support.in_process import Delivery, write
from support.origin_bytes import roll_back
from support.printed_commands import mixed_lines

Capsys = pytest.CaptureFixture[str]


class FailingSync(Disk):
    """A disk that cannot take what was staged."""

    def syncfs(self, fd: int) -> None:
        """Fail."""
        raise OSError(errno.EIO, "error of the disk")


def stop(delivery: Delivery, at: int = 30) -> None:
    """Plan, and stop the apply while it stages."""
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(FaultyDisk(Fault.STOP_BEFORE, at))


def status(capsys: Capsys, delivery: Delivery) -> str:
    ran = run_here(capsys, "status", delivery.path)
    assert (ran.code, mixed_lines(ran.out.splitlines())) == (Exit.DONE, [])
    return ran.out


def fields(capsys: Capsys, delivery: Delivery) -> dict[str, object]:
    read: dict[str, object] = json.loads(run_here(capsys, "status", delivery.path, "--json").out)
    return read


def test_status_reports_what_is_at_the_path(capsys: Capsys, delivery: Delivery) -> None:
    assert "there is no package" in status(capsys, delivery)
    delivery.path.mkdir()
    assert "there is an empty folder" in status(capsys, delivery)
    (delivery.path / "file").touch()
    assert "something that does not belong to a package" in status(capsys, delivery)
    shutil.rmtree(delivery.path)
    delivery.make(Mode.COPY)
    assert "there is a package of 1 member\n" in status(capsys, delivery)
    (delivery.path / "file").touch()
    assert "there is a package of 1 member, and something" in status(capsys, delivery)
    assert (fields(capsys, delivery)["standing"], fields(capsys, delivery)["member_count"]) == ("foreign", 1)


def test_status_after_a_rollback_reports_whether_there_is_a_package(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--append", "member").code == 0
    assert run_here(capsys, "apply", delivery.path).code == 0
    assert "package of 2 members" in status(capsys, delivery)
    assert run_here(capsys, "rollback", delivery.path).code == 0
    assert "package of 1 member\n" in status(capsys, delivery)
    assert run_here(capsys, "rollback", "--further", delivery.path).code == 0
    assert "there is no package" in status(capsys, delivery)


@pytest.mark.parametrize("offset", [100, -5])
def test_damaged_plan_does_not_wait_to_be_applied(capsys: Capsys, delivery: Delivery, offset: int) -> None:
    delivery.plan(Mode.COPY)
    plan = Path(os.fsdecode(delivery.package.plan))
    data = bytearray(plan.read_bytes())
    data[offset] ^= 1
    plan.write_bytes(data)
    out = status(capsys, delivery)
    assert "a plan waits that cannot be applied: the file is" in out
    assert f"next:\n  pack plan ORIGIN {delivery.path}" in out
    assert "pack apply" not in out
    assert fields(capsys, delivery)["plan_fault"] != ""


def test_plan_of_a_newer_version_is_not_replaced_without_a_word(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    plan = Path(os.fsdecode(delivery.package.plan))
    data = plan.read_bytes()
    plan.write_bytes(data[:8] + b"\xff\x00" + data[10:])
    out = status(capsys, delivery)
    assert "install the newest version of qa2pack, which can apply it; or, to replace it:\n  pack plan ORIGIN" in out
    assert "next:" not in out
    assert "newer" in str(fields(capsys, delivery)["plan_fault"])


def test_status_of_a_package_that_was_removed_by_hand(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path)
    out = status(capsys, delivery)
    assert "what it made is not there any more" in out
    assert f"next:\n  pack plan ORIGIN {delivery.path}" in out
    assert "pack verify" not in out


@pytest.mark.parametrize("command", ["show", "export"])
def test_commands_say_that_a_package_was_removed_by_hand(capsys: Capsys, delivery: Delivery, command: str) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path)
    ran = run_here(capsys, command, delivery.path, *(["--format", "md5sum"] if command == "export" else []))
    assert ran.code == Exit.FAILED
    assert "  package-gone: " in ran.err


def test_package_that_was_removed_by_hand_can_be_made_again(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path)
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy").code == 0
    assert run_here(capsys, "apply", delivery.path).code == 0
    assert run_here(capsys, "verify", delivery.path).code == 0


@pytest.mark.parametrize("command", ["verify", "show", "report", "log"])
def test_interrupted_new_package_is_not_missing(capsys: Capsys, delivery: Delivery, command: str) -> None:
    stop(delivery)
    ran = run_here(capsys, command, delivery.path)
    assert ran.code == Exit.FAILED  # the same command does not go on
    assert ": found the phase staging\n" in ran.err
    assert f"pack apply {delivery.path}\n" in ran.err


@pytest.mark.parametrize("command", ["verify", "show", "report", "log", "adopt", "rollback", "apply"])
def test_apply_that_runs_is_not_reported_as_one_that_was_stopped(
    capsys: Capsys, delivery: Delivery, command: str
) -> None:
    stop(delivery)
    with locked_for_writing(lock_path(delivery.package)):
        ran = run_here(capsys, command, delivery.path)
    assert ran.code == Exit.LOCKED
    assert f"locked: the package is locked by process {os.getpid()} on " in ran.err
    again = ":\n    pack " if command in ("adopt", "rollback", "apply") else ", give the same command again.\n"
    assert f"  When it has ended{again}" in ran.err


def test_plan_says_that_an_apply_runs(capsys: Capsys, delivery: Delivery) -> None:
    stop(delivery)
    with locked_for_writing(lock_path(delivery.package)):
        ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.LOCKED
    assert "  When it has ended, give the same command again.\n" in ran.err


def test_status_reports_that_the_last_apply_cannot_be_rolled_back(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (journal,) = Path(os.fsdecode(delivery.package.control), "finished").iterdir()
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    out = status(capsys, delivery)
    assert "  it cannot be rolled back:\n  journal-damaged: " in out
    assert f"      {journal}: found one that is damaged" in out
    assert "pack rollback" not in out
    assert run_here(capsys, "rollback", delivery.path).code == Exit.FAILED


def test_staged_files_and_bytes_are_those_that_are_there(capsys: Capsys, delivery: Delivery) -> None:
    stop(delivery)
    staging = Path(os.fsdecode(delivery.package.control), "staging")
    partial = write(staging / "partial/0123456789abcdef", b"half")
    there = [path for path in (staging / "tree").rglob("*") if path.is_file()]
    seen = fields(capsys, delivery)
    assert len(there) > 1
    assert seen["staged_files"] == len(there)
    assert seen["staged_bytes"] == sum(path.stat().st_size for path in (*there, partial))
    assert f"  staged so far: {len(there)} of " in status(capsys, delivery)
    ran = run_here(capsys, "apply", delivery.path)
    assert f"stopped while staging.\nStaged so far: {len(there)} of " in ran.err


def test_staged_files_are_looked_at_with_many_calls_at_once_where_each_waits(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(delivery)
    calls: list[int] = []

    def counted(work: Callable[[bytes], int | None], paths: list[bytes]) -> list[int | None]:
        calls.append(at_once())
        return each(work, paths)

    monkeypatch.setattr("qa2pack.executor.status.each", counted)
    monkeypatch.setattr("qa2pack.manifest.fs.latency.answers_late", lambda path: True)
    assert fields(capsys, delivery)["staged_files"]
    assert {*calls} == {32}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Path.unlink, "its plan is not there any more, so it cannot go on"),
        (lambda path: os.truncate(path, path.stat().st_size - 9), "its plan cannot be used: the file is truncated"),
    ],
)
def test_stopped_staging_without_its_plan_is_offered_a_rollback_only(
    capsys: Capsys, delivery: Delivery, harm: Callable[[Path], None], words: str
) -> None:
    stop(delivery)
    harm(Path(os.fsdecode(delivery.package.plan)))
    out = status(capsys, delivery)
    assert f"  {words}" in out
    assert out.endswith(f"next:\n  pack rollback {delivery.path}\n")
    ran = run_here(capsys, "apply", delivery.path)
    assert (ran.code, ran.out, "Resuming" in ran.err) == (Exit.FAILED, "", False)
    assert f"        pack rollback {delivery.path}\n" in ran.err
    assert "pack plan" not in ran.err  # it would be refused
    other = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy")
    assert (other.code, "pack apply" in other.err, "pack rollback" in other.err) == (Exit.FAILED, False, True)
    assert run_here(capsys, "rollback", delivery.path).code == Exit.DONE
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy").code == Exit.DONE
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE


def test_folders_of_the_plan_are_not_read_again_for_the_status_of_a_stopped_staging(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(delivery)
    monkeypatch.setattr(opened_files, "check_folders", lambda _: pytest.fail("they are read"))
    assert status(capsys, delivery).startswith(f"{delivery.path}\n")


def test_json_of_a_stopped_staging_has_the_missing_plan(capsys: Capsys, delivery: Delivery) -> None:
    stop(delivery)
    assert fields(capsys, delivery)["plan_problems"] == []
    os.unlink(delivery.package.plan)
    assert '"plan-missing"' in json.dumps(fields(capsys, delivery)["plan_problems"])


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_refused_command_does_not_send_to_an_apply_without_a_plan(
    capsys: Capsys, delivery: Delivery, command: str
) -> None:
    stop(delivery)
    os.unlink(delivery.package.plan)
    ran = run_here(capsys, command, *([delivery.origin] if command == "plan" else []), delivery.path)
    assert ran.code == Exit.FAILED
    assert f"pack rollback {delivery.path}\n" in ran.err
    assert "pack apply" not in ran.err


def test_damaged_plan_does_not_keep_a_committed_apply_from_its_end(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("rename"))
    os.truncate(delivery.package.plan, 99)
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.FAILED
    assert f"Take the file away, then:\n        pack apply {delivery.path}\n" in ran.err
    os.unlink(delivery.package.plan)
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE
    assert run_here(capsys, "verify", delivery.path).code == Exit.DONE


def stop_rollback_of_a_replacement(delivery: Delivery, disk: Disk) -> None:
    """Replace the package, keep the old one, and let the disk stop the rollback."""
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    with pytest.raises(Stopped):
        roll_back(delivery, disk)


def test_rollback_that_an_apply_finishes_promises_no_plan_that_is_gone(capsys: Capsys, delivery: Delivery) -> None:
    stop(delivery)
    os.unlink(delivery.package.plan)
    with pytest.raises(Stopped):
        roll_back(delivery, StoppingDisk("rmdir"))
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.out == "Rolled back: group_ouss_id/member_ouss_id is not there any more.\n"


def test_rollback_of_a_replacement_that_an_apply_finishes_says_what_is_there(
    capsys: Capsys, delivery: Delivery
) -> None:
    stop_rollback_of_a_replacement(delivery, StoppingDisk("rmdir"))
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.out.startswith(
        "Rolled back: group_ouss_id/member_ouss_id is as it was before. The plan still waits:\n"
    )
    assert run_here(capsys, "verify", delivery.path).code == Exit.DONE


def test_all_is_staged_when_the_apply_stops_at_its_end(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    with pytest.raises(OSError, match="error"):
        delivery.apply(FailingSync())
    seen = fields(capsys, delivery)
    assert seen["staged_files"] == seen["file_count"]
    assert seen["staged_bytes"] == seen["byte_count"]


def test_bytes_of_empty_files_are_not_counted(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.FAKE)
    with pytest.raises(Stopped):
        delivery.apply(FaultyDisk(Fault.STOP_BEFORE, 30))
    (line,) = [line for line in status(capsys, delivery).splitlines() if "staged so far" in line]
    assert line.endswith(" files")


def test_status_after_the_origin_changed_asks_for_a_new_plan(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    write(delivery.origin / "scriptForImaging.py", b"another")
    assert run_here(capsys, "apply", delivery.path).code == Exit.FAILED
    out = status(capsys, delivery)
    assert "the origin changed after the plan, so it cannot go on\n" in out
    assert (
        f"next, with the same options as before:\n  pack plan {delivery.origin} {delivery.path} --mode copy\n" in out
    )
    assert f"or, to roll back:\n  pack rollback {delivery.path}\n" in out
    assert "pack apply" not in out
    assert fields(capsys, delivery)["is_origin_changed"] is True
    assert (
        f" pack plan {delivery.origin} {delivery.path} --mode copy\n" in run_here(capsys, "verify", delivery.path).err
    )
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "hard").code == Exit.DONE
    out = status(capsys, delivery)
    assert "a newer plan waits, which" in out
    assert "    mode     hard\n" in out
    assert f"next:\n  pack apply {delivery.path}\n" in out
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.DONE
    assert ran.err.startswith("A new plan replaces the one that was stopped while staging.\n")


@pytest.mark.parametrize(
    ("choices", "change"),
    [
        ([], "    replaces the package, by one with group_ouss_id/member_ouss_id\n"),
        (["--append", "member"], "    adds     group_ouss_id/member_ouss_id2 to the package\n"),
    ],
)
def test_status_reports_what_the_waiting_plan_does(
    capsys: Capsys, delivery: Delivery, choices: list[str], change: str
) -> None:
    plan: list[str | Path] = ["plan", delivery.origin, delivery.path, "--mode", "copy"]
    run_here(capsys, *plan)
    assert "    makes    the package, with group_ouss_id/member_ouss_id\n" in status(capsys, delivery)
    run_here(capsys, "apply", delivery.path)
    run_here(capsys, *plan, *choices)
    out = status(capsys, delivery)
    assert change in out
    assert f"    origin   {delivery.origin}\n    mode     copy\n" in out
    reported = fields(capsys, delivery)["plan"]
    assert isinstance(reported, dict)
    assert (reported["origin"], reported["mode"]) == (str(delivery.origin), "copy")


def test_waiting_plan_is_shown_as_it_was_when_made(capsys: Capsys, delivery: Delivery) -> None:
    made = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy").out
    again = run_here(capsys, "show", "--plan", delivery.path).out
    assert [line for line in again.splitlines() if "free" not in line] == [
        line for line in made.splitlines() if "free" not in line
    ]
    run_here(capsys, "apply", delivery.path)
    ran = run_here(capsys, "show", "--plan", delivery.path)
    assert (ran.code, "plan-missing" in ran.err) == (Exit.FAILED, True)


def test_apply_that_is_typed_twice_says_that_nothing_is_left_to_do(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.DONE
    assert ran.out.startswith("Nothing to do: the last plan was applied at ")
    assert ran.out.endswith(f"  pack verify {delivery.path}\n")
    reported = json.loads(run_here(capsys, "apply", delivery.path, "--json").out)
    assert reported["done_before_at"].endswith("Z")


def refused(capsys: Capsys, delivery: Delivery, command: str) -> str:
    """Return the code with which a command refuses, which status must not offer."""
    out = status(capsys, delivery)
    assert f"pack {command} " not in out
    ran = run_here(capsys, command, delivery.path, "--json")
    assert ran.code == Exit.FAILED
    (code, *_) = (problem["code"] for problem in json.loads(ran.out)["problems"])
    assert f"  {code}: " in out
    return str(code)


def _replace(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)


def _add_file(delivery: Delivery) -> None:
    write(delivery.path / "sg_ouss_id/note.txt", b"")


def _cut_file(delivery: Delivery) -> None:
    os.truncate(next(delivery.path.rglob("scriptForImaging.py")), 0)


def _lose_origin(delivery: Delivery) -> None:
    (delivery.origin / "scriptForImaging.py").unlink()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_replace, "previous-gone"),
        (_add_file, "changed-since"),
        (_cut_file, "changed-since"),
        (_lose_origin, "origin-lost"),
    ],
)
def test_status_offers_no_rollback_that_is_refused_and_says_why(
    capsys: Capsys, delivery: Delivery, change: Callable[[Delivery], None], code: str
) -> None:
    delivery.make(Mode.COPY)
    assert f"or, to roll back the last apply:\n  pack rollback {delivery.path}\n" in status(capsys, delivery)
    assert fields(capsys, delivery)["rollback_problems"] == []
    change(delivery)
    assert refused(capsys, delivery, "rollback") == code
    seen = fields(capsys, delivery)
    assert (seen["rollback_fault"], seen["undo_fault"] != "") == (seen["undo_fault"], True)


def test_status_offers_no_rollback_of_a_move_whose_origin_is_taken(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    assert "pack rollback" in status(capsys, delivery)
    (delivery.origin / "scriptForImaging.py").unlink()
    write(delivery.origin / "scriptForImaging.py", b"another")
    assert refused(capsys, delivery, "rollback") == "origin-in-the-way"


def test_status_offers_the_rollback_of_a_replacement_that_was_kept(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    assert run_here(capsys, "apply", delivery.path, "--keep-previous").code == Exit.DONE
    assert f"pack rollback {delivery.path}\n" in status(capsys, delivery)
    assert run_here(capsys, "rollback", delivery.path).code == Exit.DONE


def test_status_offers_no_apply_of_a_stale_plan_and_says_why(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    assert f"next:\n  pack apply {delivery.path}\n" in status(capsys, delivery)
    write(delivery.path / "thesis.tex", b"")
    assert refused(capsys, delivery, "apply") == "plan-stale"
    again = f"next, with the same options as before:\n  pack plan {delivery.origin} {delivery.path} --mode copy\n"
    assert again in status(capsys, delivery)
    seen = fields(capsys, delivery)
    assert (seen["plan"], seen["plan_fault"]) == (None, "The plan was made for another state of the package.")


def test_status_offers_no_rollback_while_the_replaced_package_goes(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(DiscardStoppingDisk())
    out = status(capsys, delivery)
    assert f"next:\n  pack apply {delivery.path}\n" in out
    assert "pack rollback" not in out
    assert "pack rollback" not in run_here(capsys, "verify", delivery.path).err


def test_status_of_a_rollback_that_stopped_before_its_first_record_offers_it(
    capsys: Capsys, delivery: Delivery
) -> None:
    """The journal is back in its place, and its last record is still the end of the apply."""
    stop_rollback_of_a_replacement(delivery, ReplaceStoppingDisk(journal_path(delivery.package)))
    assert f"or, to roll back the last apply:\n  pack rollback {delivery.path}\n" in status(capsys, delivery)
    shutil.rmtree(os.path.join(delivery.package.control, b"previous"))
    assert refused(capsys, delivery, "rollback") == "previous-gone"


def test_status_of_a_stopped_rollback_says_what_other_commands_say(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    with pytest.raises(Stopped):
        roll_back_package(
            delivery.package,
            engine=delivery.engine,
            disk=FaultyDisk(Fault.STOP_BEFORE, 10),
            progress=Silent(),
            opened=OpenedFiles(),
        )
    assert "phase rolling-back" in status(capsys, delivery)
    assert status(capsys, delivery).endswith(f"next:\n  pack rollback {delivery.path}\n")
    assert (
        f"\n        pack rollback {delivery.path}\n" in run_here(capsys, "plan", delivery.origin, delivery.path).err
    )


def test_status_reports_how_to_make_manifests_that_are_missing(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    out = status(capsys, delivery)
    assert "  no manifest describes 1 member, so no change in it would be found\n" in out
    assert f"next:\n  pack adopt {delivery.path}\n" in out
    assert f"or, to plan:\n  pack plan ORIGIN {delivery.path} --mode MODE\n" in out
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE
    assert "adopt" not in status(capsys, delivery)


def test_status_says_how_to_make_a_member_again(capsys: Capsys, delivery: Delivery) -> None:
    again = f"or, to make a member again from its origin:\n  pack plan --again {delivery.path}"
    assert again not in status(capsys, delivery)
    delivery.make(Mode.COPY)
    assert f"{again}\n" in status(capsys, delivery)
    assert run_here(capsys, "plan", "--again", delivery.path).code == Exit.DONE
    assert run_here(capsys, "package", delivery.origin, delivery.path, "--append", "member").code == Exit.DONE
    assert f"{again} --member NAME\n" in status(capsys, delivery)
    Path(os.fsdecode(delivery.package.plan)).write_bytes(b"damaged")
    assert f"{again} --member NAME\n" in status(capsys, delivery)


def test_status_does_not_offer_to_make_an_adopted_member_again(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE
    assert "--again" not in status(capsys, delivery)
