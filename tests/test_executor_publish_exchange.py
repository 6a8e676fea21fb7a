"""A name of the origin changes hands: what may go goes, and what another program put there is never lost."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.publish.exchange import Swap

OURS, FOREIGN = b"ours", b"of another program"


@dataclass
class Meddling(Disk):
    """A disk on which another program does something just before a call."""

    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        self.before.pop("exchange", lambda: None)()
        super().exchange(one, other, dir_fd=dir_fd)

    def rename(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        self.before.pop("rename", lambda: None)()
        super().rename(source, target, dir_fd=dir_fd)


class WithoutExchange(Disk):
    """A disk whose file system cannot exchange two names."""

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@dataclass
class Folder:
    """A folder with one name in it, whose swap takes files that hold OURS for spare."""

    path: Path
    fd: int
    disk: Disk = field(default_factory=Meddling)

    @property
    def swap(self) -> Swap:
        return Swap(self.disk, self.fd, b"name", lambda name: (self.path / os.fsdecode(name)).read_bytes() == OURS)

    def write(self, name: bytes, data: bytes) -> None:
        (self.path / os.fsdecode(name)).write_bytes(data)

    def held(self) -> dict[str, bytes]:
        """Return what the name and what is beside it hold."""
        words = {"name": "name", os.fsdecode(self.swap.beside): "beside", os.fsdecode(self.swap.unfinished): "part"}
        return {words[path.name]: path.read_bytes() for path in self.path.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield Folder(tmp_path, fd)
    os.close(fd)


# what a stopped run left: beside, at the name; what is there afterwards, and whether that is tidy


@pytest.mark.parametrize(
    ("beside", "name", "left", "is_tidy"),
    [
        (OURS, FOREIGN, {"name": FOREIGN}, True),
        (OURS, None, {}, True),
        (FOREIGN, None, {"name": FOREIGN}, True),
        (FOREIGN, OURS, {"name": FOREIGN}, True),
        (FOREIGN, b"third", {"name": b"third", "beside": FOREIGN}, False),
    ],
)
def test_what_a_stop_left_is_removed_or_goes_back(
    folder: Folder, beside: bytes, name: bytes | None, left: dict[str, bytes], is_tidy: bool
) -> None:
    folder.write(folder.swap.beside, beside)
    if name is not None:
        folder.write(b"name", name)
    folder.write(folder.swap.unfinished, b"half")
    assert folder.swap.sweep() is is_tidy
    assert folder.held() == left


def test_file_that_may_go_gives_its_name_away(folder: Folder) -> None:
    folder.write(b"name", OURS)
    folder.write(folder.swap.beside, b"new")
    assert folder.swap.enter()
    assert folder.held() == {"name": b"new"}


def test_file_that_must_stay_has_its_name_again(folder: Folder) -> None:
    folder.write(b"name", FOREIGN)
    folder.write(folder.swap.beside, OURS)
    assert not folder.swap.enter()
    assert folder.held() == {"name": FOREIGN}


def test_file_that_is_known_is_not_looked_at_again(folder: Folder) -> None:
    folder.write(b"name", FOREIGN)
    folder.write(folder.swap.beside, OURS)
    assert folder.swap.enter(os.stat(folder.path / "name"))
    assert folder.held() == {"name": OURS}


def grow(path: Path) -> None:
    path.write_bytes(FOREIGN + b"!")


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


def give_way(path: Path) -> None:
    """Let another file of the same size and time take the name."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(FOREIGN)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("change", [grow, touch, give_way])
def test_known_file_that_was_written_to_is_looked_at(folder: Folder, change: Callable[[Path], object]) -> None:
    folder.write(b"name", FOREIGN)
    folder.write(folder.swap.beside, OURS)
    expected = os.stat(folder.path / "name")
    with (folder.path / "name").open():  # its inode is not given to the other file
        change(folder.path / "name")
    assert not folder.swap.enter(expected)
    assert set(folder.held()) == {"name"}
    assert folder.held()["name"].startswith(FOREIGN)


def test_name_that_is_gone_stays_gone(folder: Folder) -> None:
    folder.write(folder.swap.beside, OURS)
    assert not folder.swap.enter()
    assert folder.held() == {}


def test_where_nothing_is_exchanged_the_name_is_replaced(folder: Folder) -> None:
    folder.disk = WithoutExchange()
    folder.write(b"name", OURS)
    folder.write(folder.swap.beside, b"new")
    assert folder.swap.enter()
    assert folder.held() == {"name": b"new"}


def test_free_name_is_filled_and_a_taken_one_is_not(folder: Folder) -> None:
    folder.write(folder.swap.beside, b"new")
    assert folder.swap.fill()
    folder.write(folder.swap.beside, b"newer")
    assert not folder.swap.fill()
    assert folder.held() == {"name": b"new"}


def test_file_that_comes_to_the_name_while_another_goes_back_is_not_removed(folder: Folder) -> None:
    folder.disk = Meddling(before={"exchange": lambda: folder.write(b"name", b"third")})
    folder.write(folder.swap.beside, FOREIGN)
    folder.write(b"name", OURS)
    assert not folder.swap.sweep()
    assert sorted(folder.held().values()) == sorted([FOREIGN, b"third"])


def test_file_that_comes_to_the_free_name_stays_there(folder: Folder) -> None:
    folder.disk = Meddling(before={"rename": lambda: folder.write(b"name", b"third")})
    folder.write(folder.swap.beside, FOREIGN)
    assert not folder.swap.sweep()
    assert folder.held() == {"name": b"third", "beside": FOREIGN}
