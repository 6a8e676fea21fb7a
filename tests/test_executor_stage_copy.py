import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xxhash

from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.stage import copy as copying
from qa2pack.executor.stage.copy import copy_big, copy_small
from qa2pack.executor.stage.planned_source import Planned, SourceChangedError, check_source
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.errors.problem_view import problem_text
from support.file_systems import mounted
from support.in_process import write
from support.tools import needs_root, needs_tool

STEP = copying.COPY_BLOCK_BYTES


class Plain(Disk):
    """A file system that cannot share blocks."""

    def clone(self, source_fd: int, fd: int) -> bool:
        return False


class Stopped(BaseException):
    pass


class Stopping(Plain):
    """Stops everything at the n-th write."""

    def __init__(self, writes: int) -> None:
        self.writes = writes

    def write(self, fd: int, data: bytes | memoryview) -> None:
        if self.writes == 0:
            raise Stopped
        self.writes -= 1
        super().write(fd, data)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source", os.urandom(3 * STEP + 12345))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "SYNC_STEP_BYTES", STEP)


def planned_of(path: Path, *, digest: bytes | None = None, **state: Any) -> Planned:
    status = path.stat()
    digest = xxhash.xxh3_128_digest(path.read_bytes()) if digest is None else digest
    return Planned(replace(state_of(status), **state), status.st_mode & 0o7777, digest)


def small(source: Path, target: Path, planned: Planned, disk: Disk | None = None) -> None:
    with opened_file(os.fsencode(source)) as fd, opened_folder(os.fsencode(target.parent)) as folder:
        copy_small(disk or Plain(), fd, os.fsencode(target.name), folder, planned)


def big(source: Path, partial: Path, planned: Planned, disk: Disk | None = None) -> Path:
    partial.parent.mkdir(exist_ok=True)
    with opened_file(os.fsencode(source)) as fd:
        return Path(os.fsdecode(copy_big(disk or Plain(), fd, os.fsencode(partial), planned)))


@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1])
def test_small_copy_has_content_mode_and_mtime_of_the_source(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "source", os.urandom(size))
    path.chmod(0o604)
    small(path, tmp_path / "target", planned_of(path))
    status = (tmp_path / "target").stat()
    assert (tmp_path / "target").read_bytes() == path.read_bytes()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o604, path.stat().st_mtime_ns)
    assert status.st_ino != path.stat().st_ino


def test_set_user_bits_are_not_carried_over(tmp_path: Path, source: Path) -> None:
    source.chmod(0o6755)
    small(source, tmp_path / "target", planned_of(source))
    assert (tmp_path / "target").stat().st_mode & 0o7777 == 0o755


def test_file_without_write_permission_is_copied(tmp_path: Path, source: Path) -> None:
    source.chmod(0o444)
    small(source, tmp_path / "target", planned_of(source))
    assert (tmp_path / "target").stat().st_mode & 0o7777 == 0o444


@pytest.mark.parametrize("copy", [small, big])
@pytest.mark.parametrize("size_of_hole", [STEP, 5 * STEP + 17])
def test_holes_stay_holes(tmp_path: Path, copy: object, size_of_hole: int) -> None:
    path = write(tmp_path / "source", b"x" * STEP)
    os.truncate(path, STEP + size_of_hole)
    with path.open("ab") as file:
        file.write(b"y" * STEP)
    os.truncate(path, path.stat().st_size + size_of_hole)
    assert path.stat().st_blocks * 512 < path.stat().st_size
    made = copy(path, tmp_path / "target" / "x" if copy is big else tmp_path / "target", planned_of(path))  # type: ignore[operator]
    target = made or tmp_path / "target"
    assert target.read_bytes() == path.read_bytes()
    assert target.stat().st_blocks * 512 <= 3 * STEP


def test_hole_is_written_where_truncate_makes_no_file_longer(tmp_path: Path) -> None:
    class Unextending(Disk):
        def truncate(self, fd: int, size: int) -> None:
            if size > os.fstat(fd).st_size:
                raise PermissionError(1, "Operation not permitted")

    path = write(tmp_path / "source", b"x" * 10)
    os.truncate(path, (1 << 20) + 17)
    small(path, tmp_path / "target", planned_of(path), Unextending())
    assert (tmp_path / "target").read_bytes() == path.read_bytes()


CHANGES = {
    "size": {"size": 1},
    "mtime": {"mtime_ns": 1},
    "inode and content": {"inode": 1, "digest": b"x" * 16},
    "inode, without a digest": {"inode": 1, "digest": NO_DIGEST},
    "content": {"digest": b"x" * 16},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("copy", [small, big])
def test_source_that_is_not_as_planned_leaves_nothing(
    tmp_path: Path, source: Path, copy: object, changes: dict[str, Any]
) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(SourceChangedError):
        copy(source, tmp_path / "target/x", planned_of(source, **changes))  # type: ignore[operator]
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("hint", ["ctime_ns", "inode"])
def test_source_of_which_a_hint_alone_differs_is_copied_and_compared(tmp_path: Path, source: Path, hint: str) -> None:
    changes: dict[str, Any] = {hint: 1}
    planned = planned_of(source, **changes)
    small(source, tmp_path / "one", planned, Disk())
    assert (tmp_path / "one").read_bytes() == source.read_bytes()
    with pytest.raises(SourceChangedError):
        small(source, tmp_path / "two", replace(planned, digest=b"x" * 16), Disk())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a named pipe"),
        (os.mkdir, "a folder"),
        (lambda path: os.symlink("/etc/hostname", path), "a link"),
    ],
)
def test_what_is_no_regular_file_is_no_source(tmp_path: Path, source: Path, make: object, kind: str) -> None:
    make(tmp_path / "other")  # type: ignore[operator]
    status = (tmp_path / "other").lstat()
    planned = replace(planned_of(source), state=state_of(status))
    with pytest.raises(SourceChangedError) as caught:
        check_source(planned, status)
    assert (caught.value.expected, caught.value.found) == ("a file", kind)


@pytest.mark.usefixtures("small_steps")
def test_big_copy_has_content_mode_and_mtime_of_the_source(tmp_path: Path, source: Path) -> None:
    made = big(source, tmp_path / "partial/x", planned_of(source))
    assert made.read_bytes() == source.read_bytes()
    assert made.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert list((tmp_path / "partial").iterdir()) == [made]


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("writes", range(4))
def test_stopped_big_copy_goes_on_where_it_was_on_disk(tmp_path: Path, source: Path, writes: int) -> None:
    partial, planned = tmp_path / "partial/x", planned_of(source)
    with pytest.raises(Stopped):
        big(source, partial, planned, Stopping(writes))
    (left,) = (tmp_path / "partial").iterdir()
    assert left.name == f"x.{writes * STEP:015d}"
    made = big(source, partial, planned, Stopping(4 - writes))  # as many writes as are left, not one more
    assert made.read_bytes() == source.read_bytes()
    assert list((tmp_path / "partial").iterdir()) == [made]


@pytest.mark.usefixtures("small_steps")
def test_bytes_that_never_came_to_the_disk_are_written_again(tmp_path: Path, source: Path) -> None:
    partial, planned = tmp_path / "partial/x", planned_of(source)
    with pytest.raises(Stopped):
        big(source, partial, planned, Stopping(2))
    (left,) = (tmp_path / "partial").iterdir()
    with left.open("ab") as file:
        file.write(b"torn")
    assert big(source, partial, planned).read_bytes() == source.read_bytes()


@pytest.mark.usefixtures("small_steps")
def test_bytes_that_never_came_to_the_disk_do_not_fill_a_hole(tmp_path: Path) -> None:
    path = write(tmp_path / "source", os.urandom(2 * STEP))
    os.truncate(path, 4 * STEP)
    partial, planned = tmp_path / "partial/x", planned_of(path)
    with pytest.raises(Stopped):
        big(path, partial, planned, Stopping(1))
    (left,) = (tmp_path / "partial").iterdir()
    with left.open("ab") as file:
        file.write(b"torn" * STEP)
    assert big(path, partial, planned).read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("small_steps")
def test_spoilt_part_is_never_taken_for_right(tmp_path: Path, source: Path) -> None:
    partial, planned = tmp_path / "partial/x", planned_of(source)
    with pytest.raises(Stopped):
        big(source, partial, planned, Stopping(2))
    (left,) = (tmp_path / "partial").iterdir()
    with left.open("r+b") as file:
        file.write(b"spoilt")
    with pytest.raises(SourceChangedError):
        big(source, partial, planned)
    assert big(source, partial, planned).read_bytes() == source.read_bytes()


@pytest.mark.usefixtures("small_steps")
def test_part_whose_sync_failed_is_never_used(tmp_path: Path, source: Path) -> None:
    class Failing(Plain):
        def fsync(self, fd: int) -> None:
            raise OSError(errno.EIO, "the disk fails")

    with pytest.raises(OSError, match="the disk fails"):
        big(source, tmp_path / "partial/x", planned_of(source), Failing())
    assert list((tmp_path / "partial").iterdir()) == []


@contextmanager
def made_and_mounted(image: Path, folder: Path, make: list[str]) -> Iterator[Path]:
    """Mount a fresh file system that shares blocks, or skip with the reason."""
    needs_root("mount a file system")
    program = needs_tool(make[0])
    with image.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run([program, *make[1:], image], check=True, capture_output=True)
    with mounted(folder, "-o", "loop", os.fspath(image)):
        yield folder


@pytest.mark.parametrize("make", [["mkfs.xfs", "-q"], ["mkfs.btrfs", "-q"]], ids=["xfs", "btrfs"])
@pytest.mark.parametrize("copy", [small, big])
def test_blocks_are_shared_where_the_file_system_can(tmp_path: Path, make: list[str], copy: object) -> None:
    with made_and_mounted(tmp_path / "image", tmp_path / "mount", make) as folder:
        path = write(folder / "source", os.urandom(64 << 20))
        sync_file_system(Disk(), os.fsencode(folder))
        before = os.statvfs(folder).f_bfree
        made = copy(path, folder / "parts/x" if copy is big else folder / "x", planned_of(path), Disk())  # type: ignore[operator]
        sync_file_system(Disk(), os.fsencode(folder))
        assert (made or folder / "x").read_bytes() == path.read_bytes()
        status = os.statvfs(folder)
        assert (before - status.f_bfree) * status.f_frsize < 16 << 20


@pytest.mark.parametrize("copy", [small, big])
def test_source_that_changes_while_its_blocks_are_shared_is_noticed(
    tmp_path: Path, source: Path, copy: object
) -> None:
    class Cloning(Disk):
        """Shares blocks, and somebody writes at that very moment and hides it."""

        def clone(self, source_fd: int, fd: int) -> bool:
            os.write(fd, source.read_bytes())
            times = source.stat().st_mtime_ns
            source.write_bytes(source.read_bytes()[::-1])
            os.utime(source, ns=(times, times))
            return True

    (tmp_path / "target").mkdir()
    planned = planned_of(source)
    with pytest.raises(SourceChangedError) as caught:
        copy(source, tmp_path / "target/x", planned, Cloning())  # type: ignore[operator]
    problem = Problem(Code.ORIGIN_CHANGED, b"x", caught.value.expected, caught.value.found)
    assert "expected last touched at 20" in problem_text(problem)
    assert "ctime" not in problem_text(problem)
    assert list((tmp_path / "target").iterdir()) == []
