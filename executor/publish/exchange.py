"""Giving a name of the origin to something prepared beside it, and losing nothing that came to the name meanwhile.

A rename over the name would remove whatever stands there by then. Prepared and standing thing change places instead,
and what came out is removed only after it was looked at; a stranger goes back. What a stop leaves beside the name is
told apart in the same way: what may be removed goes, a stranger that came out goes back. Where a file system cannot
exchange (NFS, some others), the rename over the name remains, with an instant in which a new file would be lost.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import xxhash

from qa2pack.executor.io.disk import CANNOT_EXCHANGE, Disk
from qa2pack.manifest.fs.presence import is_there


@dataclass(frozen=True, slots=True)
class Swap:
    """One name in an open folder.

    Attributes:
        is_spare: tells of a name in the folder whether what it leads to may be removed: it was prepared by us, or
            the package has it.
    """

    disk: Disk
    fd: int
    name: bytes
    is_spare: Callable[[bytes], bool]

    @property
    def beside(self) -> bytes:
        """The name under which the new thing is prepared, whole; always the same, so that litter is known again."""
        return b".qa2pack." + xxhash.xxh3_64_hexdigest(self.name).encode()

    @property
    def unfinished(self) -> bytes:
        """The name of a copy that is not whole yet, which nothing but our own writing ever gets."""
        return self.beside + b".part"

    def sweep(self) -> bool:
        """Undo what a stopped run left beside the name.

        Returns:
            False if a stranger stands there that cannot go back, because the name was given to another one since.
        """
        if self._holds(self.unfinished):
            self.disk.unlink(self.unfinished, dir_fd=self.fd)
        return not self._holds(self.beside) or self._tidy()

    def enter(self, expected: os.stat_result | None = None) -> bool:
        """Give the name, which is taken, to what is prepared.

        Args:
            expected: the status of a file that may go, which spares reading it again when that is what came out.

        Returns:
            False if something that must stay stood there, or nothing: then that is so again.
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
        """Give the name, which is free, to what is prepared; False if it is not free any more, and stays so."""
        try:
            self.disk.rename(self.beside, self.name, dir_fd=self.fd)
        except FileExistsError:
            self.disk.unlink(self.beside, dir_fd=self.fd)
            return False
        return True

    def _tidy(self) -> bool:
        """Let what is beside the name go back to it if it is a stranger, and remove what is not; False if neither."""
        if not self.is_spare(self.beside):
            if not self._holds(self.name):
                return self._returned()
            if not self.is_spare(self.name):
                return False
            self.disk.exchange(self.beside, self.name, dir_fd=self.fd)
            if not self.is_spare(self.beside):  # the name was taken at this very moment: both stay
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
    """Return whether two statuses are of one file that was not written to; renaming it changed its ctime."""
    return os.path.samestat(one, other) and (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
