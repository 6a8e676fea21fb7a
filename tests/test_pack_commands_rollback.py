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
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here, run_redirected
from support.in_process import Delivery, write
from support.snapshots import snapshot
from support.two_members import SECOND

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


def _folder_for_ticket(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    ticket = delivery.path.with_name(f"{delivery.path.name}.ticket.tar")
    ticket.unlink()
    ticket.mkdir()


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


def _origin_away(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    delivery.origin.rename(delivery.origin.with_name("elsewhere"))


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
        (_folder_for_ticket, "ticket-in-the-way", "pack rollback PACKAGE"),
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
        (_origin_away, "origin-away", "pack rollback PACKAGE"),
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


def _gone_file(file: Path) -> None:
    file.unlink()


def _shorter(file: Path) -> None:
    file.unlink()  # the published one may be the same file
    file.touch()


def _other_content(file: Path) -> None:
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(bytes(size))


def _other_kind(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _gone_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


_DAMAGES: dict[Callable[[Path], None], str] = {
    _gone_file: "missing",
    _shorter: "truncated",
    _other_content: "changed",
    _other_kind: "wrong-type",
    _gone_folder: "missing",
}


def _change_kept(two: Delivery, kind: str) -> Path:
    """Change the package so that the second member is kept, and return where."""
    match kind:
        case "replaced package":
            two.plan(Mode.COPY)
            two.apply(keep_previous=KeepPrevious.YES)
        case "replaced member":
            two.plan(Mode.COPY, append=Append.REPLACE, replaced=SECOND.encode())
            two.apply(keep_previous=KeepPrevious.YES)
        case "removed member":
            assert run_redirected("remove", two.path, "--member", SECOND).code == 0
        case _:
            assert run_redirected("rename", two.path, "2011.0.00230.S").code == 0
    control = next(path for path in two.path.parent.glob("*.pack/previous/*/tree")).parent
    member = control / "tree/sg_ouss_id" / SECOND
    return member if member.is_dir() else control / "tree"


@pytest.mark.parametrize("kind", ["replaced package", "replaced member", "removed member", "renamed package"])
def test_what_comes_back_undamaged_is_told_to_be_so_far(two: Delivery, kind: str, capsys: Capsys) -> None:
    kept = _change_kept(two, kind)
    os.utime(kept / "README")  # it is read, and has the content that it had
    (kept / "added").touch()  # somebody's own
    name = "2011.0.00230.S" if kind == "renamed package" else two.path.name
    ran = run_here(capsys, "rollback", two.path.parent / name)
    assert (ran.code, ran.out.splitlines()[-1].strip()) == (0, f"pack verify {two.path}")


def test_folder_that_was_no_package_is_not_to_be_verified(delivery: Delivery, capsys: Capsys) -> None:
    write(delivery.path / "notes/of somebody.txt", b"no package")
    delivery.plan(Mode.COPY, force=True)
    delivery.apply(keep_previous=KeepPrevious.YES)
    ran = run_here(capsys, "rollback", delivery.path)
    assert (ran.code, "is as it was before" in ran.out, "pack verify" in ran.out) == (0, True, False)


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("kind", ["replaced package", "replaced member", "removed member", "renamed package"])
def test_member_that_was_damaged_where_it_was_kept_is_reported(
    two: Delivery, kind: str, damage: Callable[[Path], None], capsys: Capsys
) -> None:
    kept = _change_kept(two, kind)
    (file,) = kept.glob("script/*Imaging.py")
    damage(file)
    name = "2011.0.00230.S" if kind == "renamed package" else two.path.name
    ran = run_here(capsys, "rollback", two.path.parent / name)
    path = f"sg_ouss_id/{SECOND}/script" + ("" if damage is _gone_folder else f"/{file.name}")
    assert (ran.code, f"\n{_DAMAGES[damage]} {path}" in ran.out) == (Exit.PROBLEMS, True)


def _advised(printed: str, command: str) -> list[str]:
    """Return the words of a command that is advised, without the name of the program."""
    (line,) = (line for line in printed.splitlines() if line.strip().startswith(command))
    return shlex.split(line)[1:]


def test_ticket_files_as_they_were_are_no_problem(delivery: Delivery, replaced: Path, capsys: Capsys) -> None:
    rolled_back = run_here(capsys, "rollback", delivery.path, "--json")
    assert rolled_back.code == 0
    assert json.loads(rolled_back.out)["problems"] == []
