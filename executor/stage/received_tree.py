"""Received tree: takes the files of a delivery into staging while a chunk is read.

Only files of the records that it is given are made, below the staged package, which only its owner can enter. A file
gets its planned mtime last, when its content was compared. What an earlier run left under its name is replaced.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.copy import COPY_BLOCK_BYTES
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import is_within


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


class ReceivedFiles:
    """Writes the files of one chunk, one after the other; the last folder stays open. Use it in a `with`."""

    def __init__(self, place: ReceivedTree) -> None:
        self._disk = place.disk
        self._tree = place.tree
        self._members = [folder_of(member) for member in place.members]
        self._folder: bytes | None = None
        self._is_wanted = False
        self._dir = ExitStack()
        self._dir_fd = -1
        self._fd = -1
        self._mode = self._mtime_ns = 0
        self._made_modes: dict[int, int] = {}  # what the umask leaves of a mode

    def __enter__(self) -> "ReceivedFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._dir.close()

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Create the file at `index`; False if it is of no member that is wanted.

        Args:
            record: its path is relative to the package.

        Raises:
            OSError: the disk fails or is full.
        """
        self._close()  # of a file that was not as in the manifest
        if record.path != self._folder:
            self._enter(record.path)
        if not self._is_wanted:
            return False
        self._mode, self._mtime_ns = record.modes[index] & 0o777, record.mtimes[index]
        name = record.names[index]
        try:
            self._fd = self._disk.create(name, dir_fd=self._dir_fd, mode=self._mode)
        except FileExistsError:
            self._disk.unlink(name, dir_fd=self._dir_fd)
            self._fd = self._disk.create(name, dir_fd=self._dir_fd, mode=self._mode)
        return True

    def add(self, block: bytes | memoryview) -> None:
        """Write the next bytes; raises as `begin`."""
        if len(block) <= COPY_BLOCK_BYTES:
            if block:
                self._disk.write(self._fd, block)
            return
        view = memoryview(block)
        for start in range(0, len(view), COPY_BLOCK_BYTES):
            self._disk.write(self._fd, view[start : start + COPY_BLOCK_BYTES])

    def end(self) -> None:
        """Give the file its mode and mtime; raises as `begin`."""
        if self._mode not in self._made_modes:
            self._made_modes[self._mode] = os.fstat(self._fd).st_mode & 0o777
        if self._made_modes[self._mode] != self._mode:
            self._disk.set_mode(self._fd, self._mode)
        self._disk.set_times(self._fd, self._mtime_ns)
        self._close()

    def _enter(self, folder: bytes) -> None:
        self._dir.close()
        self._folder = None
        self._is_wanted = any(not member or is_within(folder, member) for member in self._members)
        if self._is_wanted:
            self._dir_fd = self._dir.enter_context(opened_beneath(self._tree, folder))
        self._folder = folder

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
