"""State of one file: size, times, inode and device number, which show a change without reading the file."""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class FileState:
    """State of one file; two states are equal if nothing of it changed. Its text is exact, for `--json` and logs.

    Attributes:
        size: in bytes.
        mtime_ns, ctime_ns: ns since the epoch.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    def __str__(self) -> str:
        return f"{self.size} bytes, mtime {self.mtime_ns} ns, inode {self.inode}"

    @property
    def but_ctime(self) -> "FileState":
        """The state without its ctime, which linking and renaming change while the content stays."""
        return replace(self, ctime_ns=0)

    @property
    def written(self) -> tuple[int, int]:
        """Size and mtime, which a copy and a move to another file system keep, and writing changes."""
        return self.size, self.mtime_ns


def state_of(status: os.stat_result) -> FileState:
    """Return the state of the file from its stat result."""
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
