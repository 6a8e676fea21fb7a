"""Folder: a place on a disk of this machine. What has its final name is synced."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.fs.safe_open import FILE_FLAGS, opened_beneath
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import path_fault
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.place.folder_tree import FolderTree
from qa2pack.tarsplit.place.folder_version import FolderVersion
from qa2pack.tarsplit.place.place import A_FILE, PlaceError, Seen, Tree, Upload
from qa2pack.tarsplit.state import FinishedChunk

_BLOCK_BYTES = 512  # as `st_blocks` counts


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine; its methods as `Place` has them.

    Attributes:
        path: absolute.
    """

    path: bytes

    @property
    def folder(self) -> bytes:
        """Its path."""
        return self.path

    @property
    def goes_on(self) -> bool:
        """Whether a stopped upload goes on: it does not, for a disk is as fast to write as to read."""
        return False

    def check(self) -> None:
        """Check nothing: what is done with it says what is wrong with it."""

    def make(self) -> None:
        """Make it and its missing parents."""
        outfile.make_folder(self.path)

    def names(self, below: bytes = b"") -> list[bytes]:
        """Return the names of what is in it, or in a folder below it."""
        if not below:
            return sorted(os.listdir(self.path))
        try:
            with opened_beneath(self.path, below) as fd:
                return sorted(map(os.fsencode, os.listdir(fd)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise PlaceError(join(self.path, below), path_fault(error)) from error

    def seen(self, name: bytes) -> Seen | None:
        """Return size and kind."""
        status = status_of(join(self.path, name))
        return Seen(status.st_size, kind=kind_in_words(status.st_mode)) if status else None

    def has(self, name: bytes, chunk: FinishedChunk) -> bool | None:
        """Compare the size of a chunk."""
        seen = self.seen(name)
        return None if seen is not None and seen.byte_count == chunk.byte_count else False

    def opened(self, name: bytes) -> "_OpenedFile":
        """Open a file, without following a symlink in any part of its path."""
        return _OpenedFile(self.path, name)

    def room_bytes(self, leftovers: Iterable[bytes]) -> int | None:
        """Return the free space of its disk, and what the files have of it."""
        status = os.statvfs(self.path)
        if not status.f_blocks:
            return None  # a file system that does not tell how big it is
        freed = sum(_blocks(join(self.path, name)) for name in leftovers) * _BLOCK_BYTES
        return status.f_bavail * status.f_frsize + freed

    @contextmanager
    def upload(self, name: bytes, size: int) -> Iterator[Upload]:
        """Begin a file from its start; it is removed if the block raises."""
        path = join(self.path, name)
        with outfile.new_part(path) as fd:
            yield _Upload(fd, path)

    def tree(self, name: bytes, *, is_read: bool = False) -> Tree:
        """Begin a tree, or go on with it; what is there is read in any case."""
        return FolderTree(self.path, name)

    def next_version(self, name: bytes) -> Tree:
        """Begin what is added to a tree, beside it."""
        return FolderVersion(self.path, name)

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file; its name and content are synced when this returns."""
        outfile.write_durably(join(self.path, name), data)

    @contextmanager
    def alone(self, name: bytes, *, is_taking_over: bool) -> Iterator[Callable[[], None]]:
        """Rely on locks, that of the sidecar, which is written here, and that of whoever calls.

        When the block ends, the file that a stopped run left which named this folder by an address is removed.
        """
        yield lambda: None
        left = self.seen(name)
        if left and left.kind == A_FILE:
            self.remove([name])

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove files and trees; that is synced when this returns."""
        paths = [join(self.path, name) for name in names]
        for path in paths:
            outfile.remove_all(path)
        for folder in {self.path, *map(os.path.dirname, paths)}:
            outfile.sync_folder(folder)

    @contextmanager
    def local(self, is_wanted: Callable[[bytes], object]) -> Iterator[bytes]:
        """Yield itself."""
        yield self.path

    def take(self, folder: bytes, names: Iterable[bytes]) -> None:
        """Do nothing: they were written here."""


class _OpenedFile:
    def __init__(self, folder: bytes, name: bytes) -> None:
        self._path = join(folder, name)
        below, _, last = name.rpartition(b"/")
        try:
            with opened_beneath(folder, below) as dir_fd:
                self._fd = os.open(last, FILE_FLAGS, dir_fd=dir_fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._error(error) from error
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):  # a pipe would pass for an empty file
            os.close(self._fd)
            raise PlaceError(self._path, f"it is {kind_in_words(status.st_mode)}")

    @property
    def byte_count(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, size: int) -> bytes:
        try:
            return os.read(self._fd, size)
        except OSError as error:
            raise self._error(error) from error

    def seek(self, offset: int) -> int:
        return os.lseek(self._fd, offset, os.SEEK_SET)

    def __enter__(self) -> "_OpenedFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def _error(self, error: OSError) -> PlaceError:
        return PlaceError(self._path, path_fault(error))


@dataclass(frozen=True, slots=True)
class _Upload:
    fd: int
    path: bytes

    def write(self, data: bytes | memoryview) -> None:
        outfile.write_all(self.fd, data)

    def finish(self) -> str:
        outfile.publish_part(self.fd, self.path)
        return ""

    def give_up(self) -> None:
        pass  # it is removed as after any error


def _blocks(path: bytes) -> int:
    """Return how many blocks of the disk a file, or all below a folder, takes."""
    below = (
        os.lstat(os.path.join(folder, name)).st_blocks
        for folder, folders, files in os.walk(path)
        for name in (*folders, *files)
    )
    return os.lstat(path).st_blocks + sum(below)
