"""State of one file: size, times, inode and device number, which show a change without reading the file.

Which fields count in which comparison is decided here, and nowhere else:

- `written`: size and mtime, the hints at the content. A copy keeps them, and so does a move to another file system.
- `identity`: these and the inode, which a hard link keeps. The device number of a recorded state does not count,
  because it is another one after each mount.
- `untouched`: these and the ctime. The content is as it was, and need not be read again.
- `but_ctime`: all but the ctime, for two states that were read within one command.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter

from qa2pack.manifest.dataclass import dataclass

# Parts of `untouched`, for comparing it with that of another file as `written` and `identity` are compared.
WRITTEN = slice(2)
IDENTITY = slice(3)

# Of a stat result: `untouched` of its state, and all fields in the order of `FileState`. For loops over all files of
# a package, where making a `FileState` of each would take longer than the work on them.
untouched_of = attrgetter("st_size", "st_mtime_ns", "st_ino", "st_ctime_ns")
fields_of = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")

# Units in which file systems keep an mtime, cutting off the rest: NTFS, exFAT, ext3 and NFS, FAT.
_MTIME_UNITS_NS = (100, 10_000_000, 1_000_000_000, 2_000_000_000)
# First and last second of file systems that count them in 32 bits: ext3 and XFS with a sign, NFSv3 without.
_MTIME_LIMITS_S = ((-(1 << 31), (1 << 31) - 1), (0, (1 << 32) - 1))
_SECOND_NS = 10**9


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
    def written(self) -> tuple[int, ...]:
        """Size and mtime, which a copy and a move to another file system keep, and writing changes."""
        return self.untouched[WRITTEN]

    @property
    def identity(self) -> tuple[int, ...]:
        """Size, mtime and inode, which linking and renaming keep."""
        return self.untouched[IDENTITY]

    @property
    def untouched(self) -> tuple[int, ...]:
        """Size, mtime, inode and ctime, the last of which every change sets."""
        return self.size, self.mtime_ns, self.inode, self.ctime_ns

    @property
    def but_ctime(self) -> "FileState":
        """The state without its ctime, which linking and renaming change while the content stays."""
        return replace(self, ctime_ns=0)


def is_same_time(expected_ns: int, found_ns: int) -> bool:
    """Return whether an mtime is the expected one, as some file system keeps it; ns since the epoch."""
    return found_ns == expected_ns or found_ns in _kept_mtimes(expected_ns)


def _kept_mtimes(mtime_ns: int) -> Iterator[int]:
    """Yield what may become of an mtime on a file system that cannot hold it as it is."""
    yield from (mtime_ns - mtime_ns % unit for unit in _MTIME_UNITS_NS)
    yield from (min(max(mtime_ns, first * _SECOND_NS), last * _SECOND_NS) for first, last in _MTIME_LIMITS_S)


def state_of(status: os.stat_result) -> FileState:
    """Return the state of the file from its stat result."""
    return FileState(*fields_of(status))
