"""What cannot be rolled back is reported with the reason, the state of the package, and what to type next."""

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, write
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]


def _not_kept(delivery: Delivery) -> None:
    delivery.make()
    write(delivery.origin / "new.fits", b"x")
    delivery.make()


def _changed(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    write(delivery.member / "script/scriptForImaging.py", b"x")


def _something_more(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    write(delivery.member / "qa/notes.txt", b"x")


def _gone(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.path)


def _group_gone(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.member.parent)


def _only_copy(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.origin)


def _plan_waits(delivery: Delivery) -> None:
    delivery.make()
    delivery.plan()


def _without_control(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(os.fsdecode(delivery.package.control))


def _in_the_way(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    (delivery.origin / "scriptForImaging.py").unlink()
    write(delivery.origin / "scriptForImaging.py", b"written since")


def _manifest_damaged(delivery: Delivery) -> None:
    delivery.make()
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    os.truncate(manifest, 100)


def _manifest_gone(delivery: Delivery) -> None:
    delivery.make()
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    manifest.unlink()


def _without_lock(delivery: Delivery) -> dict[str, object]:
    """Return everything but the lock, which says who held it last."""
    return {path: seen for path, seen in snapshot(delivery.origin.parent).items() if not path.endswith("/lock")}


@pytest.mark.parametrize(
    ("prepare", "code", "next_step"),
    [
        (_not_kept, "previous-gone", "pack plan --again PACKAGE"),
        (_changed, "changed-since", "pack rollback PACKAGE"),
        (_something_more, "changed-since", "pack rollback PACKAGE"),
        (_gone, "not-as-applied", "pack plan ORIGIN PACKAGE --mode hard"),
        (_group_gone, "changed-since", "pack rollback PACKAGE"),
        (_only_copy, "origin-lost", "pack rollback PACKAGE"),
        (_plan_waits, "plan-waits", "pack rollback PACKAGE --further"),
        (_without_control, "control-missing", "pack rollback PACKAGE"),
        (
            _in_the_way,
            "origin-in-the-way",
            "pack rollback PACKAGE",
        ),
        (_manifest_damaged, "changed-since", "pack rollback PACKAGE"),
        (_manifest_gone, "changed-since", "pack rollback PACKAGE"),
    ],
)
def test_what_cannot_be_rolled_back_is_reported_with_a_next_step(
    capsys: Capsys, delivery: Delivery, prepare: Callable[[Delivery], None], code: str, next_step: str
) -> None:
    prepare(delivery)
    before = _without_lock(delivery)
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.code == Exit.FAILED
    assert ran.err.splitlines()[1].startswith(f"  {code}: ")
    assert "Nothing was changed." in ran.err
    do = ran.err[ran.err.index("\n    do: ") :]
    next_step = next_step.replace("PACKAGE", str(delivery.path)).replace("ORIGIN", str(delivery.origin))
    assert f"\n        {next_step}\n" in do
    assert ran.err.count(" do: ") == 1  # what single problems would have one do is not what a rollback needs
    assert [line for line in ran.err.splitlines() if line.count(str(delivery.path)) > 1] == []
    assert _without_lock(delivery) == before


@pytest.fixture
def replaced(delivery: Delivery) -> Path:
    """The folder with what the last apply replaced."""
    delivery.make(Mode.COPY)
    write(delivery.origin / "scriptForMore.py", b"more")
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    (kept,) = Path(os.fsdecode(delivery.package.control), "previous").iterdir()
    return kept


@pytest.mark.parametrize("is_gone", [False, True])
def test_ticket_file_that_was_damaged_where_it_was_kept_is_reported(
    delivery: Delivery, replaced: Path, capsys: Capsys, is_gone: bool
) -> None:
    kept = replaced / "ticket.tar"
    damaged = kept.read_bytes().replace(b"Project code", b"Project c0de")
    kept.unlink()  # it has other hard links
    if not is_gone:  # else the one of the replaced package stays
        kept.write_bytes(damaged)
    rolled_back = run_here(capsys, "rollback", delivery.path)
    assert rolled_back.code == Exit.PROBLEMS
    assert "is as it was before" in rolled_back.out
    assert f"ticket-damaged ../{delivery.path.name}.ticket.tar: found" in rolled_back.out
    assert run_here(capsys, *_advised(rolled_back.out, "pack readme")).code == 0
    assert delivery.problems() == []


def _advised(printed: str, command: str) -> list[str]:
    """Return the words of a command that is advised, without the name of the program."""
    (line,) = (line for line in printed.splitlines() if line.strip().startswith(command))
    return shlex.split(line)[1:]


def test_ticket_files_as_they_were_are_no_problem(delivery: Delivery, replaced: Path, capsys: Capsys) -> None:
    rolled_back = run_here(capsys, "rollback", delivery.path, "--json")
    assert rolled_back.code == 0
    assert json.loads(rolled_back.out)["problems"] == []
