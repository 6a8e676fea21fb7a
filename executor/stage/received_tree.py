"""Received tree: takes the files of a delivery into staging while a chunk is read.

Only files of the records that it is given are made, below the staged package, which only its owner can enter. A file
gets its planned mtime last, when its content was compared. What an earlier run left under its name is replaced.

Where the disk answers late, small files wait, and are then written at once: those of many folders, because a kernel
makes one name after the other in a folder.
"""

import os
from contextlib import ExitStack, suppress
from stat import S_ISREG

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.copy import COPY_BLOCK_BYTES
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.fs.safe_open import OpenFile, opened_beneath, opened_file
from qa2pack.manifest.path import is_within

# What waits at most, to be written at once.
_BYTES = 32 << 20
_FOLDERS_PER_CALL = 2  # that is under way at once; each of them is open


@dataclass(frozen=True, slots=True)
class ReceivedTree:
    """Where the files go; it can be sent to any process.

    Attributes:
        tree: the staged package; its folders are there.
        members: those whose files are wanted.
    """

    disk: Disk
    tree: bytes
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A small file that is to be written, and its position among those of its folder."""

    position: int
    dir_fd: int
    record: FolderRecord
    index: int
    content: bytes


class ReceivedFiles:
    """Writes the files of one chunk; folders stay open as long as something is written there. Use it in a `with`."""

    def __init__(self, place: ReceivedTree) -> None:
        self._disk = place.disk
        self._tree = place.tree
        self._members = [folder_of(member) for member in place.members]
        self._folder: bytes | None = None
        self._is_wanted = False
        self._dir = ExitStack()
        self._dir_fd = -1
        self._fd = -1  # of a large file
        self._waits = at_once() > 1
        self._mode = self._mtime_ns = 0
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = self._waiting_folders = 0
        self._position = 0  # in the folder
        self._made_modes: dict[int, int] = {}  # what the umask leaves of a mode

    def __enter__(self) -> "ReceivedFiles":
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        try:
            if failure is None:
                self._write_waiting()
        finally:
            self._close()
            self._dir.close()

    def taken(self, record: FolderRecord, index: int) -> OpenFile | None:
        """Return the opened file at `index` as it was staged before; None if none has its size and mtime."""
        if not self._is_in(record.path):
            return None
        try:
            file = opened_file(record.names[index], dir_fd=self._dir_fd)
        except OSError:  # none; or something else, which `begin` replaces
            return None
        with ExitStack() as stack:
            status = os.fstat(stack.enter_context(file))
            wanted = record.sizes[index], record.mtimes[index]
            if S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == wanted:
                stack.pop_all()
                return file
        return None

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        """Write the file at `index`, if it is of a member that is wanted; raises as `begin`."""
        if not self._is_in(record.path):
            return
        if not self._waits:
            self._write(self._dir_fd, record, index, content)
            return
        self._waiting.append(_Waiting(self._position, self._dir_fd, record, index, content))
        self._waiting_bytes += len(content)
        self._position += 1
        if self._waiting_bytes >= _BYTES:
            self._write_waiting()

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Create the file at `index`; False if it is of no member that is wanted.

        Args:
            record: its path is relative to the package.

        Raises:
            OSError: the disk fails or is full.
        """
        self._close()  # of a file that was not as in the manifest
        if not self._is_in(record.path):
            return False
        self._mode, self._mtime_ns = record.modes[index] & 0o777, record.mtimes[index]
        self._fd = self._created(self._dir_fd, record.names[index], self._mode)
        return True

    def add(self, block: bytes | memoryview) -> None:
        """Write the next bytes; raises as `begin`."""
        self._add(self._fd, block)

    def end(self) -> None:
        """Give the file its mode and mtime; raises as `begin`."""
        self._end(self._fd, self._mode, self._mtime_ns)
        self._close()

    def _write_waiting(self) -> None:
        """Write the files that wait, of all folders in turn; what was begun stays if one fails."""
        waiting = sorted(self._waiting, key=lambda file: file.position)
        self._waiting, self._waiting_bytes, self._waiting_folders = [], 0, 0
        each(lambda file: self._write(file.dir_fd, file.record, file.index, file.content), waiting)

    def _write(self, dir_fd: int, record: FolderRecord, index: int, content: bytes) -> None:
        """Write a small file; several may be written at once."""
        mode = record.modes[index] & 0o777
        fd = self._created(dir_fd, record.names[index], mode)
        try:
            self._add(fd, content)
            self._end(fd, mode, record.mtimes[index])
        finally:
            os.close(fd)

    def _created(self, dir_fd: int, name: bytes, mode: int) -> int:
        while True:  # of what several chunks have, two workers may make the same file; the last one stays
            try:
                return self._disk.create(name, dir_fd=dir_fd, mode=mode)
            except FileExistsError:
                with suppress(FileNotFoundError):
                    self._disk.unlink(name, dir_fd=dir_fd)

    def _add(self, fd: int, block: bytes | memoryview) -> None:
        if len(block) <= COPY_BLOCK_BYTES:
            if block:
                self._disk.write(fd, block)
            return
        view = memoryview(block)
        for start in range(0, len(view), COPY_BLOCK_BYTES):
            self._disk.write(fd, view[start : start + COPY_BLOCK_BYTES])

    def _end(self, fd: int, mode: int, mtime_ns: int) -> None:
        if mode not in self._made_modes:
            self._made_modes[mode] = os.fstat(fd).st_mode & 0o777
        if self._made_modes[mode] != mode:
            self._disk.set_mode(fd, mode)
        self._disk.set_times(fd, mtime_ns)

    def _is_in(self, folder: bytes) -> bool:
        """Return whether the files of a folder are wanted; if so, it is open."""
        if folder != self._folder:
            self._enter(folder)
        return self._is_wanted

    def _enter(self, folder: bytes) -> None:
        if self._waiting_folders >= _FOLDERS_PER_CALL * at_once():
            self._write_waiting()
        if not self._waiting:  # else there is still to write in the folders that are open
            self._dir.close()
        self._waiting_folders += 1
        self._position = 0
        self._folder = None
        self._is_wanted = any(not member or is_within(folder, member) for member in self._members)
        if self._is_wanted:
            self._dir_fd = self._dir.enter_context(opened_beneath(self._tree, folder))
        self._folder = folder

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
