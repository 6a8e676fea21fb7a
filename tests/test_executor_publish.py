"""Publishing, step by step, and its rollback; every step looks first whether it is done."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.publish.publish import publish, unpublish
from qa2pack.executor.rollback import roll_back_package
from qa2pack.executor.transaction.journal import create_journal, read_journal
from qa2pack.executor.transaction.journal_records import Commit, Published, Publishing
from qa2pack.executor.transaction.paths import TransactionPaths, choose_publishing, journal_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.progress import Silent
from support.in_process import Delivery
from support.journals import BEGIN
from support.snapshots import contents

MEMBER = b"group_ouss_id/member_ouss_id"
REPLACING = (
    Publishing.EXCHANGE,
    Publishing.TWO_RENAMES,
    Publishing.MEMBER_EXCHANGE,
    Publishing.MEMBER_TWO_RENAMES,
)


class Noting(Disk):
    """Notes what is renamed, removed and brought to the disk, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def rename(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        self.calls.append("rename " + os.fsdecode(target))
        super().rename(source, target, dir_fd=dir_fd)

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        self.calls.append("rename " + os.fsdecode(other))
        super().exchange(one, other, dir_fd=dir_fd)

    def replace(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        self.calls.append("rename " + os.fsdecode(target))
        super().replace(source, target, dir_fd=dir_fd)

    def rmdir(self, path: bytes, *, dir_fd: int | None = None) -> None:
        self.calls.append("remove " + os.fsdecode(path))
        super().rmdir(path, dir_fd=dir_fd)

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
        self.calls.append("symlink")
        super().symlink(target, name, dir_fd=dir_fd)

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        self.calls.append("link")
        super().link(source, name, source_fd=source_fd, dir_fd=dir_fd)

    def fsync(self, fd: int) -> None:
        self.calls.append("sync " + os.readlink(f"/proc/self/fd/{fd}"))
        super().fsync(fd)

    def syncfs(self, fd: int) -> None:
        self.calls.append("sync all of " + os.readlink(f"/proc/self/fd/{fd}"))
        super().syncfs(fd)


# What is there before; with the other ways it is the member that gives way.
_OLD = {
    Publishing.EXCHANGE: "group_ouss_id0/member_ouss_id",
    Publishing.TWO_RENAMES: "group_ouss_id0/member_ouss_id",
    Publishing.MEMBER: "group_ouss_id/x",
    Publishing.GROUP: "group_ouss_id0/member_ouss_id",
}


def staged(tmp_path: Path, publishing: Publishing) -> tuple[TransactionPaths, Commit]:
    """Lay out what is there at the moment of commit."""
    places = TransactionPaths(
        Package(os.fsencode(tmp_path / "P")),
        "t",
        publishing,
        MEMBER + b"2" if publishing is Publishing.MEMBER else MEMBER,
    )
    had = publishing not in (Publishing.NEW, Publishing.RENAME)  # nothing has the name
    if had:
        old = tmp_path / "P/sg_ouss_id" / _OLD.get(publishing, "group_ouss_id/member_ouss_id")
        old.mkdir(parents=True)
        (old / "README").write_text("old")
        (tmp_path / "P.pack/manifests").mkdir(parents=True)
        (tmp_path / "P.pack/manifests/old").touch()
    for folder in (places.staged_member, places.new_manifests, places.previous, places.package.control):
        os.makedirs(folder, exist_ok=True)
    Path(os.fsdecode(places.staged_member), "README").write_text("new")
    Path(os.fsdecode(places.new_manifests), "new").touch()
    commit = Commit(os.lstat(places.root).st_ino, had_manifests=had, had_tickets=())
    return places, commit


def is_published(places: TransactionPaths, commit: Commit) -> bool:
    """Tell where the tree is by its inode alone: nothing is copied here."""
    if places.publishing.is_removal:
        return not os.path.lexists(places.target)
    return os.path.lexists(places.target) and os.lstat(places.target).st_ino == commit.root_inode


def run_publish(places: TransactionPaths, commit: Commit, disk: Disk) -> None:
    Path(os.fsdecode(journal_path(places.package))).unlink(missing_ok=True)
    journal = create_journal(journal_path(places.package), BEGIN, Disk())
    publish(places, journal, disk, is_published=is_published(places, commit))
    journal.close()


every_way = pytest.mark.parametrize("publishing", list(Publishing))


@every_way
def test_new_tree_and_its_manifests_are_visible(tmp_path: Path, publishing: Publishing) -> None:
    places, commit = staged(tmp_path, publishing)
    assert not is_published(places, commit)
    run_publish(places, commit, Disk())
    assert is_published(places, commit)
    readme = Path(os.fsdecode(places.package.member(places.member)), "README")
    assert not readme.exists() if publishing.is_removal else readme.read_text() == "new"
    assert os.listdir(places.package.manifests) == [b"new"]
    assert read_journal(journal_path(places.package))[-1] == Published()


@every_way
def test_publishing_again_changes_nothing(tmp_path: Path, publishing: Publishing) -> None:
    places, commit = staged(tmp_path, publishing)
    run_publish(places, commit, Disk())
    before = contents(tmp_path / "P"), sorted(os.listdir(places.package.control))
    disk = Noting()
    run_publish(places, commit, disk)
    assert (contents(tmp_path / "P"), sorted(os.listdir(places.package.control))) == before
    assert [call for call in disk.calls if call.startswith("rename")] == []


def syncs(*folders: bytes | str) -> set[str]:
    return {f"sync {os.fsdecode(folder)}" for folder in folders}


def run_noted(places: TransactionPaths) -> list[str]:
    """Publish, and return all that was renamed and brought to the disk; the last of it is the journal's mark."""
    disk = Noting()
    journal = create_journal(journal_path(places.package), BEGIN, disk)
    disk.calls.clear()
    publish(places, journal, disk, is_published=False)
    journal.close()
    assert [disk.calls.pop()] == [*syncs(journal_path(places.package))]
    return disk.calls


@every_way
def test_rename_is_on_disk_before_it_is_said_to_be(tmp_path: Path, publishing: Publishing) -> None:
    places, _ = staged(tmp_path, publishing)
    calls = run_noted(places)
    last = places.previous_tree if publishing.is_removal else places.target
    behind = calls[calls.index("rename " + os.fsdecode(last)) + 1 :]
    first = behind[: next(number for number, call in enumerate(behind) if call.startswith("rename"))]
    aside = syncs(places.previous) if publishing.is_removal else set()
    assert set(first) == syncs(os.path.dirname(places.target), os.path.dirname(places.root)) | aside


@every_way
def test_manifests_are_on_disk_before_they_are_said_to_be(tmp_path: Path, publishing: Publishing) -> None:
    places, _ = staged(tmp_path, publishing)
    calls = run_noted(places)
    behind = calls[calls.index("rename " + os.fsdecode(places.package.manifests)) + 1 :]
    changed = (places.previous, places.staging, places.package.control, places.package.parent)
    assert syncs(*changed) <= set(behind)


@pytest.mark.parametrize("publishing", [Publishing.TWO_RENAMES, Publishing.MEMBER_TWO_RENAMES])
def test_old_tree_is_on_disk_where_it_is_kept_before_the_new_one_takes_its_name(
    tmp_path: Path, publishing: Publishing
) -> None:
    places, _ = staged(tmp_path, publishing)
    calls = run_noted(places)
    aside = calls.index("rename " + os.fsdecode(places.previous_tree))
    assert syncs(places.previous) <= set(calls[aside : calls.index("rename " + os.fsdecode(places.target))])


@every_way
def test_rollback_brings_back_what_was_there(tmp_path: Path, publishing: Publishing) -> None:
    places, commit = staged(tmp_path, publishing)
    manifests = places.package.manifests
    before = (contents(tmp_path / "P") if (tmp_path / "P").exists() else {}), os.path.exists(manifests)
    run_publish(places, commit, Disk())
    for _ in range(2):  # done again, it comes to the same
        unpublish(places, commit, Disk(), is_published=is_published(places, commit))
        assert ((contents(tmp_path / "P") if (tmp_path / "P").exists() else {}), os.path.exists(manifests)) == before


def between(calls: list[str], first: str, then: str) -> set[str]:
    """Return what is done after the last `first`, up to the next `then`."""
    start = len(calls) - calls[::-1].index(first)
    return set(calls[start : calls.index(then, start)])


@pytest.mark.parametrize("keeps_previous", [False, True])
def test_each_step_of_finishing_is_on_disk_before_the_next_one(delivery: Delivery, keeps_previous: bool) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    control = os.fsdecode(delivery.package.control)
    (older,) = os.listdir(f"{control}/previous")
    delivery.plan(Mode.COPY)
    disk = Noting()
    delivery.apply(disk, keep_previous=KeepPrevious.YES if keeps_previous else KeepPrevious.NO)
    finished = disk.calls[-3]
    previous = f"{control}/previous/{Path(finished).stem}"
    removed = f"remove {control}/staging" if keeps_previous else f"remove {previous}/tree"
    assert between(disk.calls, f"rename {previous}/tree", removed) >= syncs(previous, f"{control}/staging")
    if not keeps_previous:
        assert between(disk.calls, removed, f"rename {control}/plan.applied") >= syncs(previous)
    assert between(disk.calls, f"rename {control}/plan.applied", f"sync {control}/journal") >= syncs(control)
    assert between(disk.calls, f"remove {control}/previous/{older}", finished) >= syncs(f"{control}/previous")
    assert between(disk.calls, f"sync {control}/journal", finished) >= syncs(control)
    assert finished.startswith(f"rename {control}/finished/")
    assert set(disk.calls[-2:]) == syncs(f"{control}/finished", control)


def test_links_of_a_move_are_on_disk_before_the_apply_ends(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    disk = Noting()
    delivery.apply(disk)
    control = os.fsdecode(delivery.package.control)
    assert f"sync all of {delivery.origin}" in between(disk.calls, "symlink", f"rename {control}/plan.applied")


def test_files_of_a_move_are_back_on_disk_before_the_package_goes(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    disk = Noting()
    roll_back_package(delivery.package, engine=delivery.engine, disk=disk, progress=Silent(), opened=OpenedFiles())
    goes = next(
        call for call in disk.calls if call.startswith(f"rename {os.fsdecode(delivery.package.control)}/staging")
    )
    assert f"sync all of {delivery.origin}" in between(disk.calls, "link", goes)


@pytest.mark.parametrize("publishing", REPLACING)
def test_replaced_tree_is_whole_somewhere(tmp_path: Path, publishing: Publishing) -> None:
    places, commit = staged(tmp_path, publishing)
    before = contents(Path(os.fsdecode(places.target)))
    run_publish(places, commit, Disk())
    kept = places.root if publishing.is_exchange else places.previous_tree
    assert contents(Path(os.fsdecode(kept))) == before


@pytest.mark.parametrize(
    ("append", "standing", "can_exchange", "publishing"),
    [
        (Append.NOTHING, DestinationKind.ABSENT, True, Publishing.NEW),
        (Append.MEMBER, DestinationKind.ABSENT, True, Publishing.NEW),
        (Append.NOTHING, DestinationKind.PACKAGE, True, Publishing.EXCHANGE),
        (Append.NOTHING, DestinationKind.PACKAGE, False, Publishing.TWO_RENAMES),
        (Append.NOTHING, DestinationKind.FOREIGN, True, Publishing.EXCHANGE),
        (Append.NOTHING, DestinationKind.EMPTY, False, Publishing.TWO_RENAMES),
        (Append.MEMBER, DestinationKind.EMPTY, True, Publishing.EXCHANGE),
        (Append.MEMBER, DestinationKind.PACKAGE, True, Publishing.MEMBER),
        (Append.GROUP, DestinationKind.PACKAGE, False, Publishing.GROUP),
        (Append.REPLACE, DestinationKind.PACKAGE, True, Publishing.MEMBER_EXCHANGE),
        (Append.REPLACE, DestinationKind.PACKAGE, False, Publishing.MEMBER_TWO_RENAMES),
        (Append.REMOVE, DestinationKind.PACKAGE, True, Publishing.GROUP_REMOVAL),
        (Append.RENAME, DestinationKind.ABSENT, True, Publishing.RENAME),
    ],
)
def test_way_of_publishing(
    delivery: Delivery, append: Append, standing: DestinationKind, can_exchange: bool, publishing: Publishing
) -> None:
    header = replace(delivery.made().header, append=append, standing=standing)
    assert choose_publishing(header, can_exchange=can_exchange) is publishing


def test_group_stays_while_it_has_another_member(delivery: Delivery) -> None:
    header = replace(
        delivery.made().header,
        append=Append.REMOVE,
        standing=DestinationKind.PACKAGE,
        base=((b"group_ouss_id/member_ouss_id", b"1"), (b"group_ouss_id/member_ouss_id2", b"2")),
    )
    assert choose_publishing(header, can_exchange=True) is Publishing.MEMBER_REMOVAL
