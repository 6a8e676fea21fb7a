"""`pack status`, and what other commands say, where the package, its plan or its journal is not as one expects."""

import json
import os
import shutil
from pathlib import Path

import pytest

from commands import run_here
from executor.lock import locked_for_writing
from executor.places import lock_path
from faulty_disk import Fault, FaultyDisk, Stopped
from in_process import Delivery
from manifest.request import Mode
from pack.exits import Exit

Capsys = pytest.CaptureFixture[str]


def stop(delivery: Delivery, at: int = 30) -> None:
    """Plan, and stop the apply while it stages."""
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(FaultyDisk(Fault.STOP_BEFORE, at))


def status(capsys: Capsys, delivery: Delivery) -> str:
    ran = run_here(capsys, "status", delivery.path)
    assert ran.code == Exit.DONE
    return ran.out


def fields(capsys: Capsys, delivery: Delivery) -> dict[str, object]:
    read: dict[str, object] = json.loads(run_here(capsys, "status", delivery.path, "--json").out)
    return read


def test_status_tells_what_is_at_the_path(capsys: Capsys, delivery: Delivery) -> None:
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


def test_status_after_undoing_tells_whether_a_package_stands(capsys: Capsys, delivery: Delivery) -> None:
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
    assert f"next: pack plan ORIGIN {delivery.path}" in out
    assert "pack apply" not in out
    assert fields(capsys, delivery)["plan_fault"] != ""


def test_status_of_a_package_that_was_removed_by_hand(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path)
    out = status(capsys, delivery)
    assert "what it made is not there any more" in out
    assert f"next: pack plan ORIGIN {delivery.path}" in out
    assert "pack verify" not in out


@pytest.mark.parametrize("command", ["show", "export"])
def test_commands_say_that_a_package_was_removed_by_hand(capsys: Capsys, delivery: Delivery, command: str) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.path)
    ran = run_here(capsys, command, delivery.path, *(["--format", "md5sum"] if command == "export" else []))
    assert ran.code == Exit.FAILED
    assert "not there any more; only its control folder is" in ran.err


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
    assert "has not ended (phase: staging)" in ran.err
    assert f"pack apply {delivery.path}\n" in ran.err


@pytest.mark.parametrize("command", ["verify", "show", "report", "log", "adopt", "rollback", "apply"])
def test_apply_that_runs_is_not_told_as_one_that_was_stopped(
    capsys: Capsys, delivery: Delivery, command: str
) -> None:
    stop(delivery)
    with locked_for_writing(lock_path(delivery.package)):
        ran = run_here(capsys, command, delivery.path)
    assert ran.code == Exit.LOCKED
    assert f"process {os.getpid()} on " in ran.err
    assert f"Wait for it, then run pack {command} {delivery.path}." in ran.err


def test_plan_says_that_an_apply_runs(capsys: Capsys, delivery: Delivery) -> None:
    stop(delivery)
    with locked_for_writing(lock_path(delivery.package)):
        ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.LOCKED
    assert "Wait for it, then run the same command." in ran.err


def test_status_tells_that_the_last_apply_cannot_be_undone(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (journal,) = Path(os.fsdecode(delivery.package.control), "finished").iterdir()
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    out = status(capsys, delivery)
    assert "cannot be undone: its journal is damaged" in out
    assert "pack rollback" not in out
    assert run_here(capsys, "rollback", delivery.path).code == Exit.FAILED
