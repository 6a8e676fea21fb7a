"""A package gets another project code in one transaction: folder, README, manifests, ticket files, origin links."""

import json
import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import ApplyOptions, apply_plan
from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.executor.transaction.lock import locked_for_reading, locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.renaming import successor
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.renaming import plan_rename
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from qa2pack.pack.cli import main
from qa2pack.pack.jobs.delivery_source import open_source
from support.commands import run_here
from support.faulty_disk import ReplaceStoppingDisk, Stopped, StoppingDisk, WatchedDisk
from support.file_systems import exfat_disk
from support.in_process import Delivery, make_reduction
from support.printed_commands import ready_commands
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]
OLD, NEW = "2011.0.00229.S", "2012.1.00001.S"
FIRST, SECOND = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"


def run(*words: str | Path) -> int:
    """Type a command."""
    return main(list(map(str, words)))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def links_of(folder: Path) -> dict[Path, str]:
    """Return the symlinks below the folder with their targets."""
    return {path: os.readlink(path) for path in folder.rglob("*") if path.is_symlink()}


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files and links of a folder but for what comes and goes: locks, plans, what an apply kept."""
    found = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.name not in ("lock", "plan", "plan.applied") and ".pack/previous" not in str(path)
    }
    return {
        name: os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        for name, path in found.items()
    }


def renamed(delivery: Delivery) -> Delivery:
    """Return the package under its new name."""
    return Delivery(delivery.origin, delivery.path.with_name(NEW))


@pytest.fixture
def other(delivery: Delivery) -> Delivery:
    """Another reduction for the package."""
    return Delivery(make_reduction(delivery.origin.parent / "sb2", uid="uid___A002_X1_X2", seed=2), delivery.path)


def make_two(delivery: Delivery, other: Delivery, mode: Mode) -> None:
    """Make a package with a member of each reduction."""
    delivery.make(mode)
    other.make(Mode.HARD, append=Append.MEMBER)


@pytest.mark.parametrize("mode", Mode)
def test_package_gets_another_code_and_comes_back(delivery: Delivery, other: Delivery, mode: Mode) -> None:
    make_two(delivery, other, mode)
    root = delivery.path.parent
    before, files, origin = everything(root), contents(delivery.path), contents(delivery.origin)
    assert run("rename", delivery.path, NEW) == 0
    assert sorted(path.name for path in root.iterdir() if path.name.startswith("20")) == [
        NEW, f"{NEW}.pack", f"{NEW}.ticket.tar", f"{NEW}.ticket.zip",
    ]  # fmt: skip
    after = contents(root / NEW)
    changed = {name for name in files if after[name] != files[name]}
    placeholders = {f"sg_ouss_id/{FIRST}/README"} if mode is Mode.FAKE else set()
    assert after.keys() == files.keys()
    assert changed == {f"sg_ouss_id/{member}/README" for member in (FIRST, SECOND)} - placeholders
    assert renamed(delivery).problems() == []
    assert contents(delivery.origin) == origin
    assert not list(root.glob("*.pack/previous/*/control/previous")), (
        "what the last apply kept goes, as at each further one"
    )
    assert run("rollback", root / NEW) == 0
    assert everything(root) == before
    assert delivery.problems() == []


def test_readme_and_ticket_files_have_the_new_code(delivery: Delivery, tmp_path: Path) -> None:
    header = tmp_path / "header"
    header.write_text(f"PI name: A. Person\n * *Project code*: {OLD}\nSee also {OLD}.\n")
    delivery.make(readme=os.fsencode(header))
    assert run("rename", delivery.path, NEW) == 0
    package = renamed(delivery)
    text = (package.member / "README").read_text()
    assert f"\n * *Project code*: {NEW}\nSee also {OLD}.\n|-- {NEW}/\n|   |-- sg_ouss_id/\n" in text
    with tarfile.open(f"{package.path}.ticket.tar") as tar, zipfile.ZipFile(f"{package.path}.ticket.zip") as archive:
        packed = tar.extractfile(f"{NEW}/sg_ouss_id/{FIRST}/README")
        assert packed is not None
        assert packed.read() == text.encode()
        assert {name.split("/")[0] for name in tar.getnames()} == {NEW, "package_size.txt"}
        assert {name.split("/")[0] for name in archive.namelist()} == {NEW, "package_size.txt"}
        assert f"package {NEW}\n".encode() in archive.read("package_size.txt")


def test_advice_names_the_new_path(capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.make()
    monkeypatch.chdir(delivery.path)
    assert run("rename", ".", NEW) == 0
    assert f"  pack verify {delivery.path.with_name(NEW)}\n" in capsys.readouterr().out
    monkeypatch.chdir(delivery.path.parent)
    assert run("rename", NEW, OLD) == 0
    assert f"  pack verify {OLD}\n" in capsys.readouterr().out


def test_links_of_a_moved_origin_lead_to_the_new_name(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    name = "X8c/ipython.log"
    (delivery.origin / name).unlink()
    (delivery.origin / name).write_text("a new file of the user")
    (delivery.origin / "own").symlink_to("/nowhere")
    before = links_of(delivery.origin)
    assert run("rename", delivery.path, NEW) == 0
    own = delivery.origin / "own"
    expected = {link: target.replace(OLD, NEW) for link, target in before.items()}
    assert links_of(delivery.origin) == expected
    assert expected[own] == "/nowhere"
    assert all(link.is_file() for link in expected if link != own)
    assert (delivery.origin / name).read_text() == "a new file of the user"


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.MOVE])
def test_later_plans_find_the_package_as_before(delivery: Delivery, other: Delivery, mode: Mode) -> None:
    delivery.make(mode, exclude=("*.listobs",))
    made_with = open_manifest(delivery.package.manifest(FIRST.encode())).header.made_with
    assert run("rename", delivery.path, NEW) == 0
    package = renamed(delivery)
    assert open_manifest(package.package.manifest(FIRST.encode())).header.made_with == made_with
    assert run("plan", other.origin, package.path, "--mode", "hard", "--append", "member") == 0
    assert run("apply", package.path) == 0
    assert run("plan", "--again", package.path, "--member", "member_ouss_id") == 0
    assert run("apply", package.path) == 0
    assert not list(package.member.rglob("*.listobs"))
    assert package.problems() == []
    assert contents(package.member).keys() >= {"README", "script/scriptForImaging.py"}


def test_recorded_ctimes_are_those_that_linking_left(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    assert run("rename", delivery.path, NEW, "--keep-previous=no") == 0
    package = renamed(delivery)
    entries = [
        entry
        for blob in open_manifest(package.package.manifest(FIRST.encode())).stream.blobs()
        for entry in decode_record(blob).entries()
        if entry.action is Action.LINK
    ]
    assert entries
    found = {entry.path: (package.member / os.fsdecode(entry.path)).stat().st_ctime_ns for entry in entries}
    assert found == {entry.path: entry.state.ctime_ns for entry in entries}


def test_adopted_package_is_renamed(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    for path in delivery.path.parent.glob(f"{OLD}.pack/*"):
        if path.name != "lock":
            os.rename(path, delivery.path.parent / f"gone.{path.name}")
    assert run("rename", delivery.path, NEW) == 1
    assert run("adopt", delivery.path) == 0
    assert run("rename", delivery.path, NEW) == 0
    package = renamed(delivery)
    assert package.problems() == []
    assert open_manifest(package.package.manifest(FIRST.encode())).header.origin == package.package.path


def test_history_goes_on_under_the_new_name(capsys: Capsys, delivery: Delivery, other: Delivery) -> None:
    make_two(delivery, other, Mode.HARD)
    assert run("rename", delivery.path, NEW) == 0
    package = renamed(delivery)
    Delivery(other.origin, package.path).make(Mode.COPY, append=Append.GROUP)
    log = json.loads(run_here(capsys, "log", package.path, "--json").out)["transactions"]
    assert [one["change"] for one in log] == ["group", "rename", "member", "new"]
    assert run("rollback", package.path) == 0
    assert run("rollback", package.path, "--further") == 1
    assert Code.PREVIOUS_GONE in capsys.readouterr().err
    assert package.problems() == []


@pytest.mark.parametrize("taken", [NEW, f"{NEW}.pack", f"{NEW}.ticket.tar", f"{NEW}.ticket.zip"])
def test_name_that_is_taken_is_refused(capsys: Capsys, delivery: Delivery, taken: str) -> None:
    delivery.make()
    (delivery.path.parent / taken).mkdir()
    (delivery.path.parent / taken / "finished").mkdir()
    before = everything(delivery.path.parent)
    assert run("rename", delivery.path, NEW) == 1
    assert Code.NAME_TAKEN in capsys.readouterr().err
    assert everything(delivery.path.parent) == before


@pytest.mark.parametrize("left", ["probe.one", "probe.two", "probe.disk", "journal.new", "lock"])
def test_what_a_stop_before_the_begin_left_takes_no_name(delivery: Delivery, left: str) -> None:
    delivery.make(Mode.COPY)
    control = delivery.path.with_name(f"{NEW}.pack")
    control.mkdir(mode=0o700)
    if left.startswith("probe"):
        (control / left).mkdir()
    else:
        (control / left).touch()
    assert run("rename", delivery.path, NEW) == 0
    assert run("verify", delivery.path.with_name(NEW)) == 0


def test_name_that_is_taken_since_the_plan_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    package = planned(delivery)
    ticket = Path(f"{package.path}.ticket.tar")
    ticket.write_text("another file")
    assert run("apply", package.path) == 1
    assert Code.NAME_TAKEN in capsys.readouterr().err
    assert ticket.read_text() == "another file"
    assert delivery.problems() == []


def damage_readme(delivery: Delivery) -> None:
    (delivery.member / "README").write_text("changed by hand")


def damage_script(delivery: Delivery) -> None:
    path = delivery.member / "script/scriptForImaging.py"
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(b"x" * size)


def lose_file(delivery: Delivery) -> None:
    (delivery.member / "product/calibrated_all.clean.fits").unlink()


def lose_member(delivery: Delivery) -> None:
    delivery.make(Mode.COPY, append=Append.MEMBER)
    shutil.rmtree(delivery.path / "sg_ouss_id" / SECOND)


def lose_everything(delivery: Delivery) -> None:
    shutil.rmtree(delivery.path)


def add_file(delivery: Delivery) -> None:
    (delivery.member / "product/extra").touch()


def add_above(delivery: Delivery) -> None:
    (delivery.path / "extra").touch()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (damage_readme, Code.CHANGED),
        (damage_script, Code.CHANGED),
        (lose_file, Code.MISSING),
        (lose_member, Code.MISSING),
        (lose_everything, Code.PACKAGE_GONE),
        (add_file, Code.EXTRA),
        (add_above, Code.EXTRA),
    ],
)
def test_package_that_is_not_as_packaged_is_refused(
    capsys: Capsys, delivery: Delivery, damage: Callable[[Delivery], None], code: Code
) -> None:
    delivery.make(Mode.COPY)
    damage(delivery)
    before = everything(delivery.path.parent)
    assert run("rename", delivery.path, NEW) == 1
    assert f"  {code}: " in capsys.readouterr().err
    assert everything(delivery.path.parent) == before


@pytest.mark.parametrize("locked", ["origin", "package"])
def test_folder_that_may_not_be_changed_is_refused(delivery: Delivery, locked: str) -> None:
    with folder_of_everybody() as folder:
        there = Delivery(make_reduction(folder / "sb1"), folder / OLD)
        there.make(Mode.MOVE)
        for path in (there.origin, there.path):
            path.chmod(0o777)
        planned_rename(there).gathered.spool.close()
        path = {"origin": there.origin, "package": there.path}[locked]
        path.chmod(0o555)
        code = {"origin": Code.ORIGIN_NOT_WRITABLE, "package": Code.NOT_WRITABLE}[locked]
        with as_ordinary_user(), pytest.raises(Refused) as refused:
            planned_rename(there)
    assert [(each.code, each.path) for each in refused.value.problems] == [(code, os.fsencode(path))]


def test_name_that_is_no_code_is_warned_of_or_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    assert run("rename", delivery.path, "trial", "--strict") == 1
    assert Code.W_PROJECT_CODE in capsys.readouterr().err
    assert not list(delivery.path.parent.glob("trial*"))
    assert run("rename", delivery.path, "trial") == 0
    assert Code.W_PROJECT_CODE in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a/b", "..", "", OLD])
def test_what_is_no_new_name_is_not_understood(delivery: Delivery, name: str) -> None:
    delivery.make()
    assert run("rename", delivery.path, name) == 2


@pytest.mark.parametrize("locked", [locked_for_writing, locked_for_reading])
def test_locked_under_its_old_name(
    delivery: Delivery, locked: Callable[[bytes], AbstractContextManager[None]]
) -> None:
    delivery.make()
    with locked(lock_path(delivery.package)):
        assert run("rename", delivery.path, NEW) == 6
    assert not list(delivery.path.parent.glob(f"{NEW}*"))


def test_resumed_and_rolled_back_only_under_the_lock_of_the_old_name(delivery: Delivery) -> None:
    delivery.make()
    package = stop(delivery, StoppingDisk("link"))
    for verb in ("apply", "rollback"):
        with locked_for_writing(lock_path(delivery.package)):
            assert run(verb, package.path) == 6
    assert run("apply", package.path) == 0


def planned_rename(delivery: Delivery) -> Plan:
    """Return the plan to give the package its new name."""
    new = renamed(delivery).package
    return plan_rename(delivery.package, new, OpenedFiles(), program="", now_ns=time.time_ns())


def planned(delivery: Delivery) -> Delivery:
    """Let a plan of renaming wait; return the package under its new name."""
    package = renamed(delivery)
    os.makedirs(package.package.control)
    plan = planned_rename(delivery)
    save_plan(plan)
    plan.gathered.spool.close()
    return package


def stop(delivery: Delivery, disk: WatchedDisk) -> Delivery:
    """Begin to rename, and stop for ever at a call; return the package under its new name."""
    package = planned(delivery)
    with pytest.raises(Stopped):
        package.apply(disk, keep_previous="yes")
    assert successor(delivery.package) == package.package
    return package


def stops(delivery: Delivery) -> dict[str, WatchedDisk]:
    """Return disks that stop while staging, before the new name is seen, before links are turned, and at the end."""
    package = renamed(delivery).package
    return {
        "staging": StoppingDisk("link"),
        "publishing": StoppingDisk("rename"),
        "published": ReplaceStoppingDisk(package.tickets[1]),
        "ending": ReplaceStoppingDisk(package.last_plan),
        "ended": RenameStoppingDisk(delivery.package.control),
    }


class RenameStoppingDisk(StoppingDisk):
    """Stops for ever before one path is renamed."""

    def __init__(self, path: bytes) -> None:
        super().__init__("stop")
        self._path = path

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        is_reached = name == "rename" and args[0] == self._path
        return super().around("stop" if is_reached else name, call, *args, **options)


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize("at", ["staging", "publishing", "published", "ending", "ended"])
def test_stopped_renaming_is_finished_under_either_name(
    capsys: Capsys, delivery: Delivery, at: str, name: str
) -> None:
    delivery.make(Mode.MOVE)
    package = stop(delivery, stops(delivery)[at])
    assert run("apply", package.path.with_name(name)) == 0
    out = capsys.readouterr().out
    assert f"Renamed: {OLD} is now\n  {package.path}\n" in out
    assert "not kept" not in out
    assert package.problems() == []
    assert not list(package.path.parent.glob(f"{OLD}*"))
    assert all(f"/{NEW}/" in target for target in links_of(delivery.origin).values())


@pytest.mark.parametrize("name", [OLD, NEW])
@pytest.mark.parametrize("at", ["staging", "publishing", "published", "ending", "ended"])
def test_stopped_renaming_is_rolled_back_under_either_name(
    capsys: Capsys, delivery: Delivery, at: str, name: str
) -> None:
    delivery.make(Mode.MOVE)
    before = everything(delivery.path.parent)
    package = stop(delivery, stops(delivery)[at])
    assert run("rollback", package.path.with_name(name)) == 0
    assert f"Rolled back: the package has its name again\n  {delivery.path}\n" in capsys.readouterr().out
    assert everything(delivery.path.parent) == before
    assert delivery.problems() == []


class AskingDisk(WatchedDisk):
    """Asks for a stop when the first symlink is made."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call."""
        self._stop.is_requested |= name == "symlink"
        return call()


def test_stop_is_answered_between_two_links(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    package, wish = planned(delivery), Stop()
    with pytest.raises(InterruptedByUser):
        apply_plan(
            package.package,
            ApplyOptions(),
            opened=OpenedFiles(),
            open_delivery=open_source,
            engine=package.engine,
            disk=AskingDisk(wish),
            progress=Silent(),
            stop=wish,
        )
    assert [f"/{NEW}/" in target for target in links_of(delivery.origin).values()].count(True) == 1
    assert run("apply", delivery.path) == 0
    assert package.problems() == []


@pytest.mark.parametrize("at", ["staging", "published", "ending", "ended"])
def test_old_name_is_not_used_while_it_is_given_up(capsys: Capsys, delivery: Delivery, at: str) -> None:
    delivery.make(Mode.COPY)
    stop(delivery, stops(delivery)[at])
    commands: list[tuple[str | Path, ...]] = [
        ("plan", delivery.origin, delivery.path),
        ("readme", delivery.path, "--set-field", "PI name=A. Person"),
        ("rename", delivery.path, "2013.1.00001.S"),
        ("tarsplit", delivery.path, "-n", "2012-06-20"),
        *([] if at == "staging" else [("verify", delivery.path)]),
    ]
    for command in commands:
        ran = run_here(capsys, *command)
        assert ran.code != 0
        assert Code.UNFINISHED in ran.err
    state = json.loads(run_here(capsys, "status", delivery.path, "--json").out)
    assert state["state"] == "interrupted"


def test_old_name_that_something_else_has_by_now_is_not_overwritten(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    assert run("rename", delivery.path, NEW) == 0
    delivery.make(Mode.COPY)
    before = everything(delivery.path.parent)
    assert run("rollback", renamed(delivery).path) == 1
    assert Code.NAME_TAKEN in capsys.readouterr().err
    assert everything(delivery.path.parent) == before


@pytest.mark.parametrize("put_into", ["own", f"sg_ouss_id/{SECOND}/README", f"sg_ouss_id/{FIRST}/qa/own"])
def test_rollback_does_not_lose_what_was_put_into_the_package(
    capsys: Capsys, delivery: Delivery, other: Delivery, put_into: str
) -> None:
    make_two(delivery, other, Mode.COPY)
    assert run("rename", delivery.path, NEW) == 0
    (renamed(delivery).path / put_into).write_text("years of work")
    before = everything(delivery.path.parent)
    assert run("rollback", renamed(delivery).path) == 1
    assert Code.CHANGED_SINCE in capsys.readouterr().err
    assert everything(delivery.path.parent) == before


def test_disk_without_hard_links(delivery: Delivery, tmp_path: Path) -> None:
    with exfat_disk(tmp_path / "disk") as disk:
        there = Delivery(delivery.origin, disk.path / OLD)
        there.make(Mode.COPY)
        before = contents(there.path)
        assert run("rename", there.path, NEW, "--keep-previous") == 0
        assert renamed(there).problems() == []
        assert not there.path.exists()
        assert run("rollback", renamed(there).path) == 0
        assert contents(there.path) == before
        assert there.problems() == []
        assert not list(disk.path.glob(f"{NEW}*"))


def test_file_that_names_another_package_counts_for_nothing(delivery: Delivery) -> None:
    delivery.make()
    marker = Path(os.fsdecode(delivery.package.control)) / "renaming"
    for text in (NEW, "../elsewhere", OLD, ""):
        marker.write_text(text)
        assert successor(delivery.package) is None
    assert successor(Package(delivery.package.path + b".other")) is None
    assert run("verify", delivery.path) == 0
    assert run("rollback", delivery.path) == 0
    assert not marker.exists()


@pytest.mark.parametrize(("keep", "appends"), [("auto", 0), ("no", 1), ("no", 2)])
def test_commands_printed_by_rollbacks_after_a_renaming_work(
    capsys: Capsys, delivery: Delivery, other: Delivery, keep: str, appends: int
) -> None:
    """Each rollback that is advised is typed, until there is none; then whatever else is advised."""
    for text in ("first", "second"):
        (delivery.origin / "notes.log").write_text(text)
        delivery.plan(Mode.HARD)
        assert run("apply", delivery.path, f"--keep-previous={keep}") == 0
    for _ in range(appends):
        other.make(Mode.HARD, append=Append.MEMBER)
    assert run("rename", delivery.path, NEW) == 0
    assert run("rollback", delivery.path.parent / NEW) == 0
    words = ["rollback", str(delivery.path)]
    for _ in range(5):
        capsys.readouterr()
        code = run(*words)
        advised = [command[1:] for command in ready_commands(capsys.readouterr().err)]
        assert code == 0 or words[-1] != "--further"
        if code == 0:
            words = ["rollback", str(delivery.path)]
        elif further := [each for each in advised if each[-1] == "--further"]:
            words = further[0]
        else:
            break
    assert [run(*each) for each in advised] == [0 for _ in advised]
