"""Probe for file sizes: the largest file that the disk of a package takes, before a plan that relies on it is saved.

FAT takes no file of 4 GiB, ext4 with small blocks and without extents none of 16 GiB, and a limit of the shell
(ulimit -f) none above it. An apply would find that out after hours of copying. Nothing is written to find the limit:
Linux lets no position of a file be sought that is beyond it. A FUSE file system may hide its limit.
"""

import errno
import os
import resource
from bisect import bisect
from collections.abc import Iterator

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.humanize import exact_bytes
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem

_MORE_THAN_ANY = 1 << 43  # ext4 takes 16 TiB; a disk that takes 8 TiB is not asked for the files of the plan


def largest_file_bytes(disk: Disk, fd: int) -> int | None:
    """Return the size of the largest file that can be made in the open folder; None if it takes 8 TiB."""
    file = disk.create(b"probe", dir_fd=fd)
    try:
        limit = bisect(range(1, _MORE_THAN_ANY + 1), False, key=lambda size: not _can_seek(file, size))
    finally:
        os.close(file)
        disk.unlink(b"probe", dir_fd=fd)
    allowed, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if allowed != resource.RLIM_INFINITY:
        limit = min(limit, allowed)
    return limit if limit < _MORE_THAN_ANY else None


def _can_seek(file: int, size: int) -> bool:
    try:
        os.lseek(file, size, os.SEEK_SET)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


def too_large_files(record: FolderRecord, limit: int) -> Iterator[Problem]:
    """Yield a problem for each file of the folder that has more bytes in the package than the limit."""
    for name, size, action in zip(record.names, record.sizes, record.actions, strict=True):
        if size > limit and action != Action.DUMMY:
            expected = f"at most {exact_bytes(limit)}"
            yield Problem(Code.FILE_TOO_LARGE, join(record.path, name), expected, exact_bytes(size))
