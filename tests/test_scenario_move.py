"""Moving: files end in the package, the origin keeps a link to each, and all of it can be rolled back."""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from casacore import tables

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.published_tree import UnknownTreeError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.file_systems import folder_elsewhere, mounted
from support.in_process import UID, Delivery, add_measurement_sets, make_reduction, write
from support.measurement_sets import DATA_COLUMNS
from support.origin_bytes import links_below, lost_names, moved_sources, read_files, roll_back, stop_after_links
from support.snapshots import contents, files, snapshot
from support.users import NOBODY

Capsys = pytest.CaptureFixture[str]
RAW = f"X8c/{UID}.ms.split"


@pytest.fixture
def measured(delivery: Delivery) -> Delivery:
    """A reduction with two measurement sets."""
    add_measurement_sets(delivery.origin)
    return delivery


def test_every_moved_file_becomes_a_link_to_itself(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    links = links_below(delivery.origin)
    assert set(links) == moved_sources(delivery) != set()
    assert {name: target.lstat().st_ino for name, target in links.items()} == {
        name: before[name].inode for name in links
    }


def test_links_are_absolute_and_lead_into_the_package(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    assert [t for t in links_below(delivery.origin).values() if not t.is_relative_to(delivery.member)] == []


def test_no_folder_becomes_a_link(delivery: Delivery) -> None:
    folders = {path for path, seen in snapshot(delivery.origin).items() if seen.kind == "folder"}
    delivery.make(Mode.MOVE)
    assert {path for path, seen in snapshot(delivery.origin).items() if seen.kind == "folder"} == folders


def test_origin_reads_as_before_a_move(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    assert read_files(delivery.origin) == before


def test_what_is_left_out_is_not_touched(delivery: Delivery) -> None:
    before = snapshot(delivery.origin)["notes of the reducer"]
    delivery.make(Mode.MOVE)
    assert snapshot(delivery.origin)["notes of the reducer"] == before


def test_package_is_verified_and_holds_no_links(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    assert delivery.problems() == []
    assert links_below(delivery.path) == {}


def test_rolling_back_a_finished_move_gives_the_same_files(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    roll_back(delivery)
    assert files(delivery.origin) == before
    assert not delivery.path.exists()


def test_a_name_that_two_files_have_is_moved_once_for_each(delivery: Delivery) -> None:
    os.link(delivery.origin / "scriptForImaging.py", delivery.origin / "scriptForImagingAgain.py")
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    assert {"scriptForImaging.py", "scriptForImagingAgain.py"} < set(links_below(delivery.origin))
    roll_back(delivery)
    assert files(delivery.origin) == before


def test_file_and_link_to_it_in_the_origin_go_and_come_back(delivery: Delivery) -> None:
    (delivery.origin / "scriptForImagingAgain.py").symlink_to("scriptForImaging.py")
    before = contents(delivery.origin)
    delivery.make(Mode.MOVE)
    assert len(list((delivery.member / "script").glob("scriptForImaging*"))) == 2
    roll_back(delivery)
    assert contents(delivery.origin) == before


# --- what stands in the way


def test_name_with_another_file_by_then_is_left_alone_and_reported(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    script = delivery.origin / "scriptForImaging.py"
    script.unlink()
    write(script, b"written since")
    applied = delivery.apply()
    assert [problem.path for problem in applied.left_alone] == [os.fsencode(script)]
    assert script.read_bytes() == b"written since"
    assert delivery.problems() == []


def test_name_with_a_link_to_elsewhere_by_then_is_left_alone_and_reported(delivery: Delivery) -> None:
    elsewhere = write(delivery.origin.parent / "other.py", b"another script")
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    script = delivery.origin / "scriptForImaging.py"
    script.unlink()
    script.symlink_to(elsewhere)
    assert [problem.path for problem in delivery.apply().left_alone] == [os.fsencode(script)]
    assert script.readlink() == elsewhere


def test_file_that_was_written_to_since_is_still_the_one_that_was_moved(delivery: Delivery) -> None:
    """On one file system both names have the same inode: the link loses nothing."""
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    script = delivery.origin / "scriptForImaging.py"
    with script.open("ab") as file:
        file.write(b"# one line more")
    assert delivery.apply().left_alone == ()
    assert script.is_symlink()
    assert script.read_bytes().endswith(b"# one line more")


@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
def test_rolling_back_is_refused_where_something_else_is(delivery: Delivery, is_link: bool) -> None:
    delivery.make(Mode.MOVE)
    script = delivery.origin / "scriptForImaging.py"
    script.unlink()
    elsewhere = write(delivery.origin.parent / "other.py", b"another script")
    if is_link:
        script.symlink_to(elsewhere)
    else:
        os.link(elsewhere, script)
    before = snapshot(delivery.origin), snapshot(delivery.path)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(script)]
    assert (snapshot(delivery.origin), snapshot(delivery.path)) == before


def test_rolling_back_an_unfinished_move_is_refused_where_something_else_is(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 3)
    before = read_files(delivery.origin)
    name = min(links_below(delivery.origin))
    (delivery.origin / name).unlink()
    write(delivery.origin / name, b"something else")
    journal = Path(os.fsdecode(journal_path(delivery.package)))
    records = journal.read_bytes()
    with pytest.raises(CannotUndoError, match="origin-in-the-way"):
        roll_back(delivery)
    assert journal.read_bytes() == records, "no rollback has begun"
    assert lost_names(before, delivery) == []


def test_rolling_back_that_was_stopped_keeps_the_package_when_something_came_in_the_way(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    with pytest.raises(Stopped):
        roll_back(delivery, FaultyDisk(Fault.STOP_BEFORE, 12))
    name = max(links_below(delivery.origin))
    (delivery.origin / name).unlink()
    write(delivery.origin / name, b"something else")
    for go_on in (lambda: roll_back(delivery), delivery.apply):
        with pytest.raises(CannotUndoError, match="origin-in-the-way"):
            go_on()
        assert lost_names(before, delivery) == []
    (delivery.origin / name).unlink()
    roll_back(delivery)
    assert read_files(delivery.origin) == before


def test_links_of_a_relative_kind_into_the_package_are_ours_too(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    script = delivery.origin / "scriptForImaging.py"
    target = os.path.relpath(script.readlink(), delivery.origin)
    script.unlink()
    script.symlink_to(target)
    roll_back(delivery)
    assert files(delivery.origin) == before


def test_removed_name_comes_back_when_rolling_back(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    (delivery.origin / "scriptForImaging.py").unlink()
    roll_back(delivery)
    assert files(delivery.origin) == before


def test_links_that_were_swapped_come_back_as_the_files_they_were(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    one, other = delivery.origin / "scriptForImaging.py", delivery.origin / "X8c/ipython.log"
    target = one.readlink()
    one.unlink()
    one.symlink_to(other.readlink())
    other.unlink()
    other.symlink_to(target)
    roll_back(delivery)
    assert files(delivery.origin) == before


class Meddling(Disk):
    """A disk on which another program puts a file at a name just before that is given to something else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_over = False

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        """Exchange, too late."""
        self._meddle(other)
        super().exchange(one, other, dir_fd=dir_fd)

    def rename(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        """Rename, too late."""
        self._meddle(target)
        super().rename(source, target, dir_fd=dir_fd)

    def _meddle(self, name: bytes) -> None:
        if name == os.fsencode(self._path.name) and not self._is_over:
            self._is_over = True
            self._path.with_suffix(".other").write_bytes(b"written meanwhile")
            self._path.with_suffix(".other").rename(self._path)


@pytest.mark.parametrize("is_missing", [False, True], ids=["link", "nothing"])
def test_file_that_comes_while_another_goes_back_is_kept(delivery: Delivery, is_missing: bool) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    script = delivery.origin / "scriptForImaging.py"
    if is_missing:
        script.unlink()
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery, Meddling(script))
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(script)]
    assert script.read_bytes() == b"written meanwhile"
    assert lost_names(before, delivery) == []
    script.unlink()
    roll_back(delivery)
    assert read_files(delivery.origin) == before


def test_file_beside_its_link_outlives_the_removal_of_the_package(delivery: Delivery) -> None:
    """Stopped before removing what came out of the exchange, which is the only copy once the package is gone."""
    before = read_files(delivery.origin)
    delivery.plan(Mode.MOVE)
    with pytest.raises(Stopped):
        delivery.apply(StoppingAtUnlink())
    shutil.rmtree(delivery.path)
    with pytest.raises(UnknownTreeError):
        delivery.apply()
    assert read_files(delivery.origin) == before


def test_copy_that_goes_back_is_on_the_disk_before_it_counts(delivery: Delivery) -> None:
    before = contents_and_times(delivery.origin)
    delivery.make(Mode.MOVE)
    disk = SyncedCopies()
    roll_back(delivery, disk)
    assert disk.copied_count == len(before) - 1 > 0, "all but the notes of the reducer"
    assert contents_and_times(delivery.origin) == before


class StoppingAtUnlink(Disk):
    """A disk that stops when the first file is to be removed that a link took the place of."""

    def unlink(self, path: bytes, *, dir_fd: int | None = None) -> None:
        """Stop, or remove the name."""
        if path.startswith(b".qa2pack."):
            raise Stopped
        super().unlink(path, dir_fd=dir_fd)


class SyncedCopies(Disk):
    """A disk that takes no links, and fails where a copy gets its name before it was synced."""

    def __init__(self) -> None:
        self._synced: set[int] = set()
        self.copied_count = 0

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        """Fail, as across file systems."""
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def fsync(self, fd: int) -> None:
        """Remember what was synced."""
        self._synced.add(os.fstat(fd).st_ino)
        super().fsync(fd)

    def replace(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        """Rename a copy only if it was synced."""
        if target.startswith(b".qa2pack."):
            assert os.lstat(source, dir_fd=dir_fd).st_ino in self._synced
            self.copied_count += 1
        super().replace(source, target, dir_fd=dir_fd)


class WithoutExchange(Disk):
    """A disk whose origin is on a file system that cannot exchange two names."""

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        """Refuse, in an origin."""
        if dir_fd is not None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        super().exchange(one, other)


def test_moves_and_comes_back_where_the_origin_cannot_exchange(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.plan(Mode.MOVE)
    assert delivery.apply(WithoutExchange()).left_alone == ()
    assert set(links_below(delivery.origin)) == moved_sources(delivery) != set()
    roll_back(delivery, WithoutExchange())
    assert files(delivery.origin) == before


# --- stopped


@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_going_on_after_a_stop_between_links_ends_the_move(delivery: Delivery, count: int) -> None:
    before = read_files(delivery.origin)
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, count)
    assert len(links_below(delivery.origin)) == count
    assert read_files(delivery.origin) == before
    delivery.apply()
    assert set(links_below(delivery.origin)) == moved_sources(delivery)
    assert read_files(delivery.origin) == before
    assert [name for name in os.listdir(delivery.origin) if name.startswith(".qa2pack")] == []


@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_rolling_back_after_a_stop_between_links_gives_the_same_files(delivery: Delivery, count: int) -> None:
    before = files(delivery.origin)
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, count)
    roll_back(delivery)
    assert files(delivery.origin) == before
    assert not delivery.path.exists()


def write_again(path: Path) -> None:
    write(path, bytes(path.stat().st_size))  # the same size and mtime


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    aside = write(path.parent.parent / "aside", b"aside")
    path.unlink()
    path.symlink_to(aside)


def replace_by_file(path: Path) -> None:
    path.unlink()
    write(path, b"another")


@pytest.mark.parametrize("change", [replace_by_file, replace_by_folder, replace_by_link, write_again, Path.unlink])
@pytest.mark.parametrize("is_far", [False, True])
def test_going_on_keeps_each_file_that_the_package_does_not_have_any_more(
    delivery: Delivery, is_far: bool, change: Callable[[Path], object]
) -> None:
    with folder_elsewhere(delivery.origin) if is_far else nullcontext(delivery.origin.parent) as folder:
        moved = Delivery(delivery.origin, folder / "2011.0.00229.S")
        moved.plan(Mode.MOVE)
        stop_after_links(moved, 0)
        before = read_files(moved.origin)
        script, packaged = moved.origin / "scriptForImaging.py", moved.member / "script/scriptForImaging.py"
        is_same_file = change is write_again and not is_far
        change(packaged)
        left_alone = moved.apply().left_alone
        if is_same_file:  # nothing is lost
            assert left_alone == ()
            assert script.is_symlink()
            return
        assert [problem.path for problem in left_alone] == [os.fsencode(script)]
        assert "package" in str(left_alone[0].found)
        assert not script.is_symlink()
        assert read_files(moved.origin) == before


def test_stop_beside_a_name_keeps_the_file_that_the_package_does_not_have_any_more(delivery: Delivery) -> None:
    """The file came out of the exchange with its symlink, and is beside it."""
    before = read_files(delivery.origin)
    delivery.plan(Mode.MOVE)
    with pytest.raises(Stopped):
        delivery.apply(StoppingAtUnlink())
    (link,) = links_below(delivery.origin)
    (packaged,) = delivery.member.rglob(os.path.basename(link))
    replace_by_file(packaged)
    assert len(delivery.apply().left_alone) == 1
    assert read_files(delivery.origin) == before


# --- across file systems


def contents_and_times(root: Path) -> dict[str, tuple[str, int, int]]:
    """Return what a checked copy brings back: kind and digest, permissions, mtime."""
    return {path: (seen.digest, seen.mode, seen.mtime_ns) for path, seen in files(root).items()}


def test_moves_across_file_systems_and_back(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = contents_and_times(far.origin)
        read = read_files(far.origin)
        far.make(Mode.MOVE)
        assert set(links_below(far.origin)) == moved_sources(far) != set()
        assert read_files(far.origin) == read
        assert far.problems() == []
        roll_back(far)
        assert contents_and_times(far.origin) == before
        assert not far.path.exists()


def test_files_that_only_have_another_time_in_the_package_come_back_with_their_own(delivery: Delivery) -> None:
    """As on a disk that keeps no fractions of a second, or after a `touch`."""
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = contents_and_times(far.origin)
        far.make(Mode.MOVE)
        for number, path in enumerate(path for path in far.path.rglob("*") if path.is_file()):
            os.utime(path, ns=(0, path.stat().st_mtime_ns // 10**9 * 10**9 if number % 2 else 1))
        roll_back(far)
        assert contents_and_times(far.origin) == before
        assert not far.path.exists()


def rot(path: Path) -> None:
    """Damage a file as a disk does it: with its size and mtime; a snapshot has a hard link to it."""
    status = path.stat()
    package = next(folder for folder in path.parents if folder.name == "2011.0.00229.S")
    os.link(path, package.with_name("snapshot"))
    with path.open("r+b") as file:
        file.write(bytes([path.read_bytes()[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize("change", [rot, Path.unlink])
def test_rollback_puts_back_the_file_beside_its_link_if_the_package_does_not_have_it(
    delivery: Delivery, change: Callable[[Path], object], is_begun: bool
) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = contents_and_times(far.origin)
        far.plan(Mode.MOVE)
        with pytest.raises(Stopped):
            far.apply(StoppingAtUnlink())
        if is_begun:
            with pytest.raises(Stopped):
                roll_back(far, StoppingAtUnlink())
        (link,) = links_below(far.origin).values()
        change(link)
        roll_back(far)
        assert contents_and_times(far.origin) == before
        assert not far.path.exists()


def test_rollback_is_refused_before_it_begins_if_the_package_does_not_have_a_moved_file(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        stop_after_links(far, 1)
        (link,) = links_below(far.origin).values()
        rot(link)
        seen = snapshot(far.origin)
        with pytest.raises(CannotUndoError) as caught:
            roll_back(far)
        assert {problem.code for problem in caught.value.problems} == {Code.MOVED_LOST}
        assert [problem.found for problem in caught.value.problems[1:]] == ["another in the package"]
        assert snapshot(far.origin) == seen
        applied = far.apply()
        assert not applied.is_rolled_back
        assert applied.left_alone == ()
        assert set(links_below(far.origin)) == moved_sources(far)


@pytest.mark.parametrize("change", [rot, Path.unlink])
def test_begun_rollback_ends_without_a_lost_file_once_its_link_is_removed(
    delivery: Delivery, change: Callable[[Path], object], capsys: Capsys
) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = contents_and_times(far.origin)
        far.make(Mode.MOVE)
        with pytest.raises(Stopped):
            roll_back(far, StoppingAtUnlink())
        name, packaged = sorted(links_below(far.origin).items())[-1]
        change(packaged)
        link = far.origin / name
        check_moved_lost(far)
        link.unlink()
        if packaged.exists():
            check_moved_lost(far)
            packaged.unlink()
        ran = run_here(capsys, "rollback" if change is rot else "apply", far.path)
        assert ran.code == Exit.PROBLEMS
        assert (
            f"Given up, because neither the package nor the origin had them any more:\n  moved-lost {link}" in ran.out
        )
        del before[name]
        assert contents_and_times(far.origin) == before
        assert not far.path.exists()


def check_moved_lost(delivery: Delivery) -> None:
    """Check that a rollback is refused for a file that is lost, and changes nothing."""
    seen = snapshot(delivery.origin)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert {problem.code for problem in caught.value.problems} == {Code.MOVED_LOST}
    assert snapshot(delivery.origin) == seen


def test_rollback_that_has_not_begun_gives_up_no_file(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        stop_after_links(far, 1)
        ((name, packaged),) = links_below(far.origin).items()
        for path in (packaged, far.origin / name):
            path.unlink()
            check_moved_lost(far)
        far.apply()
        with pytest.raises(CannotUndoError):
            roll_back(far)


class MeddlingWithCopies(Disk):
    """A disk on which somebody writes to a file of the package when a copy of it is begun."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, path: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        """Write to the file, and create another."""
        write_again(self._path)
        return super().create(path, dir_fd=dir_fd, mode=mode)


def test_file_that_is_changed_while_it_goes_back_is_reported(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = read_files(far.origin)
        far.make(Mode.MOVE)
        script = far.member / "script/scriptForImaging.py"
        data = script.read_bytes()
        with pytest.raises(CannotUndoError) as caught:
            roll_back(far, MeddlingWithCopies(script))
        assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(far.origin / script.name)]
        write(script, data)
        roll_back(far)
        assert read_files(far.origin) == before


def test_plan_leaves_the_times_of_folders_on_another_disk(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.path.parent) as elsewhere:
        far = Delivery(delivery.origin, elsewhere / delivery.path.name)
        folders = [far.origin, *(path for path in far.origin.rglob("*") if path.is_dir())]
        for number, folder in enumerate(folders):
            os.utime(folder, ns=(number, number))
        far.plan(Mode.MOVE)
        assert [folder.stat().st_mtime_ns for folder in folders] == [*range(len(folders))]


def test_across_file_systems_a_file_written_to_since_is_left_alone(delivery: Delivery) -> None:
    """Here the package has a copy, and the origin's file is the only one with what was written."""
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        stop_after_links(far, 0)
        script = far.origin / "scriptForImaging.py"
        data = bytes(len(script.read_bytes()))
        write(script, data)  # the same size and mtime: only the ctime tells
        assert [problem.path for problem in far.apply().left_alone] == [os.fsencode(script)]
        assert script.read_bytes() == data


def test_across_file_systems_a_file_that_was_only_touched_since_is_left_alone(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        stop_after_links(far, 0)
        script = far.origin / "scriptForImaging.py"
        os.utime(script, (1, 1))
        assert [problem.path for problem in far.apply().left_alone] == [os.fsencode(script)]
        assert not script.is_symlink()


def test_across_file_systems_two_names_of_one_file_go_and_come_back(delivery: Delivery) -> None:
    os.link(delivery.origin / "scriptForImaging.py", delivery.origin / "scriptForImagingAgain.py")
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        before = contents_and_times(far.origin)
        far.make(Mode.MOVE)
        assert {"scriptForImaging.py", "scriptForImagingAgain.py"} < set(links_below(far.origin))
        roll_back(far)
        assert contents_and_times(far.origin) == before


def _with_attribute(script: Path) -> None:
    try:
        os.setxattr(script, "user.note", b"mine")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error.strerror}")


def _of_somebody(script: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to others")
    os.chown(script, NOBODY, -1)


@pytest.mark.parametrize(
    "change",
    [
        lambda script: script.chmod(0o4755),
        lambda script: os.link(script, script.with_name("scriptForImagingAgain.py")),
        _with_attribute,
        _of_somebody,
    ],
    ids=["set-id", "hard links", "attribute", "owner"],
)
def test_plan_warns_of_what_a_rollback_from_another_disk_would_not_bring_back(
    delivery: Delivery, change: Callable[[Path], object]
) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        assert Code.W_BACK_IN_PART not in {warning.code for warning in far.made(Mode.MOVE).notes.warnings}
        change(far.origin / "scriptForImaging.py")
        (warning,) = (each for each in far.made(Mode.MOVE).notes.warnings if each.code is Code.W_BACK_IN_PART)
        assert os.path.basename(warning.path) == b"scriptForImaging.py"
    near = {warning.code for mode in (Mode.MOVE, Mode.COPY) for warning in delivery.made(mode).notes.warnings}
    assert Code.W_BACK_IN_PART not in near


def test_rollback_does_not_claim_more_of_copies_than_it_brings_back(delivery: Delivery, capsys: Capsys) -> None:
    delivery.make(Mode.MOVE)
    assert "The origin is as it was." in run_here(capsys, "rollback", delivery.path).out
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.make(Mode.MOVE)
        out = run_here(capsys, "rollback", far.path).out
        assert "The origin is as it was." not in out
        assert "are copies now, as those that come back from another disk" in out


@pytest.mark.parametrize("is_stopped", [False, True])
def test_rollback_tells_whether_files_came_back_as_copies(delivery: Delivery, is_stopped: bool) -> None:
    delivery.make(Mode.MOVE)
    assert not roll_back(delivery).has_copies
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.make(Mode.MOVE)
        if is_stopped:
            with pytest.raises(Stopped):
                roll_back(far, StoppingAtSync())
            assert links_below(far.origin) == {}, "what is left to do makes no copy"
        assert roll_back(far).has_copies
        far.make(Mode.MOVE)
        assert roll_back(far).has_copies


def test_unfinished_move_without_links_yet_brings_no_copies_back(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        stop_after_links(far, 0)
        assert not roll_back(far).has_copies


def test_file_that_never_left_is_no_copy(delivery: Delivery) -> None:
    """Its other name, in the package, was removed."""
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    (delivery.member / "script/scriptForImaging.py").unlink()
    assert not roll_back(delivery).has_copies


class StoppingAtSync(Disk):
    """A disk that stops when a whole file system is to be synced."""

    def syncfs(self, fd: int) -> None:
        """Stop."""
        raise Stopped


def test_moves_from_a_second_mount_of_the_same_file_system(tmp_path: Path) -> None:
    """The device is the same, and yet no link can be made."""
    origin = make_reduction(tmp_path / "sb1")
    with mounted(tmp_path / "again", "--bind", os.fspath(origin)) as again:
        delivery = Delivery(again, tmp_path / "2011.0.00229.S")
        before = read_files(again)
        delivery.make(Mode.MOVE)
        assert read_files(again) == before
        assert delivery.problems() == []
        roll_back(delivery)
        assert read_files(again) == before


# --- measurement sets


def columns_of(table: Path) -> dict[str, object]:
    with tables.table(str(table), ack=False) as opened:
        return {
            name: [opened.getcell(name, row).tobytes() for row in range(opened.nrows())]
            for name in (*DATA_COLUMNS, "WEIGHT", "SIGMA", "FLAG", "UVW")
        }


def test_origin_measurement_set_opens_with_all_columns_through_the_links(measured: Delivery) -> None:
    before = columns_of(measured.origin / RAW)
    measured.make(Mode.MOVE)
    assert links_below(measured.origin / RAW) != {}
    assert columns_of(measured.origin / RAW) == before


def test_files_that_the_split_writes_or_drops_stay_at_the_origin(measured: Delivery) -> None:
    before = snapshot(measured.origin / RAW)
    plan = measured.plan(Mode.MOVE)
    measured.apply()
    (spec,) = (task.spec for task in plan.notes.splits if task.path.endswith(b".ms.split"))
    stay = {os.fsdecode(name) for name in (*spec.written, *spec.dropped, *spec.placeholders)}
    after = snapshot(measured.origin / RAW)
    assert len(stay) > 5
    assert {name: after[name] for name in stay} == {name: before[name] for name in stay}


def test_packaged_measurement_set_has_one_column_with_the_same_values(measured: Delivery) -> None:
    before = columns_of(measured.origin / RAW)
    measured.make(Mode.MOVE)
    with tables.table(str(measured.member / f"raw/{UID}.ms.split"), ack=False) as table:
        assert [name for name in table.colnames() if name in DATA_COLUMNS] == ["DATA"]
        found = [np.asarray(table.getcell("DATA", row)).tobytes() for row in range(table.nrows())]
    assert found == before["DATA"]


def test_rolling_back_moved_measurement_sets_gives_the_same_files(measured: Delivery) -> None:
    before = files(measured.origin)
    measured.make(Mode.MOVE)
    roll_back(measured)
    assert files(measured.origin) == before


def test_one_measurement_set_for_raw_and_calibrated_goes_and_comes_back(measured: Delivery) -> None:
    """Without calibrated data of its own the raw data gives both: two files of the package have one source."""
    os.rename(measured.origin / f"{RAW}.cal", measured.origin.parent / "away")
    before = files(measured.origin)
    values = columns_of(measured.origin / RAW)
    measured.make(Mode.MOVE)
    assert measured.problems() == []
    assert columns_of(measured.origin / RAW) == values
    roll_back(measured)
    assert files(measured.origin) == before


def test_measurement_sets_move_across_file_systems_and_back(measured: Delivery) -> None:
    with folder_elsewhere(measured.origin) as folder:
        far = Delivery(measured.origin, folder / "2011.0.00229.S")
        before, values = contents_and_times(far.origin), columns_of(far.origin / RAW)
        far.make(Mode.MOVE)
        assert columns_of(far.origin / RAW) == values
        assert far.problems() == []
        roll_back(far)
        assert contents_and_times(far.origin) == before
