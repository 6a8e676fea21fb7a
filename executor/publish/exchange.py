"""Exchange: replaces one directory entry of the origin by RENAME_EXCHANGE, without losing a concurrent new file.

A rename over the name would remove any file that another program created there in the meantime. Instead, the prepared
entry and the present one are exchanged, and the old entry is removed only after a check; an unknown file is exchanged
back. A leftover beside the name after a stop is handled in the same way: it is removed if it may be, and an unknown
file goes back to the name. On file systems without RENAME_EXCHANGE (NFS, some others) a plain rename is used, with a
short window in which a new file would be lost.
"""

import os
from collections.abc import Callable

import xxhash

from qa2pack.executor.io.disk import CANNOT_EXCHANGE, Disk
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.fs.presence import is_there


@dataclass(frozen=True, slots=True)
class Swap:
    """One name in an open folder.

    Attributes:
        is_spare: returns for a name in the folder whether its entry may be removed: it was prepared by us, or the
            package has it.
    """

    disk: Disk
    fd: int
    name: bytes
    is_spare: Callable[[bytes], bool]

    @property
    def beside(self) -> bytes:
        """The name of the prepared, complete entry; always the same, so that a leftover is recognised."""
        return b".qa2pack." + xxhash.xxh3_64_hexdigest(self.name).encode()

    @property
    def unfinished(self) -> bytes:
        """The name of an incomplete copy; only this program uses it."""
        return self.beside + b".part"

    def sweep(self) -> bool:
        """Clean up what a stopped run left beside the name.

        Returns:
            False if an unknown file is there that cannot go back, because the name was taken by another one since.
        """
        if self._holds(self.unfinished):
            self.disk.unlink(self.unfinished, dir_fd=self.fd)
        return not self._holds(self.beside) or self._tidy()

    def enter(self, expected: os.stat_result | None = None) -> bool:
        """Replace the existing entry at the name by the prepared one.

        Args:
            expected: stat result of a file that may be removed; if it is the one that was replaced, it need not be
                read again.

        Returns:
            False if the name held an entry that must stay, or none; then the name is unchanged.
        """
        try:
            self.disk.exchange(self.beside, self.name, dir_fd=self.fd)
        except FileNotFoundError:
            self.disk.unlink(self.beside, dir_fd=self.fd)
            return False
        except OSError as error:
            if error.errno not in CANNOT_EXCHANGE:
                raise
            self.disk.replace(self.beside, self.name, dir_fd=self.fd)
            return True
        if expected is not None and _is_same(expected, os.lstat(self.beside, dir_fd=self.fd)):
            self.disk.unlink(self.beside, dir_fd=self.fd)
            return True
        was_spare = self.is_spare(self.beside)
        self._tidy()
        return was_spare

    def fill(self) -> bool:
        """Give the free name to the prepared entry; False if the name was taken since, and is unchanged."""
        try:
            self.disk.rename(self.beside, self.name, dir_fd=self.fd)
        except FileExistsError:
            self.disk.unlink(self.beside, dir_fd=self.fd)
            return False
        return True

    def _tidy(self) -> bool:
        """Return an unknown file beside the name to the name, or remove a known one; False if neither is possible."""
        if not self.is_spare(self.beside):
            if not self._holds(self.name):
                return self._returned()
            if not self.is_spare(self.name):
                return False
            self.disk.exchange(self.beside, self.name, dir_fd=self.fd)
            if not self.is_spare(self.beside):  # the name was taken at this moment: both stay
                return False
        self.disk.unlink(self.beside, dir_fd=self.fd)
        return True

    def _returned(self) -> bool:
        try:
            self.disk.rename(self.beside, self.name, dir_fd=self.fd)
        except FileExistsError:
            return False
        return True

    def _holds(self, name: bytes) -> bool:
        return is_there(name, dir_fd=self.fd)


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two stat results are of one unchanged file; ctime is ignored, because a rename changes it."""
    return state_of(one).but_ctime == state_of(other).but_ctime
