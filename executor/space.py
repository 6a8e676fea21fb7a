"""Free space: how many bytes a plan needs on the package's disk, and how many bytes and inodes are free."""

import os
from collections.abc import Iterator
from itertools import accumulate

from qa2pack.executor.tickets.size import ticket_bytes
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header, Notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.fs.scratch import takes_folder

_BLOCK_BYTES = 4096  # an upper limit; the block size of network file systems is a transfer size
_MANIFEST_BYTES_PER_FILE = 256  # two manifests exist at a time, the second with new ctimes


def needed_bytes(package: Package, header: Header, notes: Notes, opened: OpenedFiles) -> int:
    """Return about how many bytes applying a plan takes: files that are created, not linked, and the ticket files.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    # The last block of a file is half empty on average: for small files that is most of their disk usage.
    blocks = min(notes.new_files, notes.new_bytes) * _BLOCK_BYTES // 2
    return notes.new_bytes + blocks + ticket_bytes(package, header, notes, opened)


def enough_bytes(package: Package, header: Header, notes: Notes, opened: OpenedFiles) -> int:
    """Return an upper limit of the bytes needed: the last block of each file counted whole, and manifests.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    half_blocks = notes.new_files * (_BLOCK_BYTES // 2)
    return needed_bytes(package, header, notes, opened) + half_blocks + notes.file_count * _MANIFEST_BYTES_PER_FILE


def free_bytes(package: Package) -> int | None:
    """Return what a user may still write where the package is, or will be; None where the disk does not tell."""
    stats = os.statvfs(folder_on_disk(package))
    return stats.f_bavail * stats.f_frsize if stats.f_blocks else None


def free_inodes(folder: bytes) -> int | None:
    """Return how many files a user may still make on the disk of a folder; None where the disk does not tell.

    Mounts of object stores may count none as free, and take files all the same (rclone): so a count of none is
    believed if nothing can be made.
    """
    stats = os.statvfs(folder)
    if not stats.f_files or (not stats.f_favail and takes_folder(folder)):
        return None
    return stats.f_favail


def folder_on_disk(package: Package) -> bytes:
    """Return a folder that is on the disk of a package: the control folder, or the one that will hold it."""
    return package.control if is_folder(package.control) else package.parent


def used_bytes(folder: bytes) -> int:
    """Return the bytes that removing a folder would free: disk usage of its files with no other hard link."""
    return sum(_used_sizes(folder))


def uses_at_most(folder: bytes, limit_bytes: int) -> bool:
    """Return whether removing the folder would free no more than this; the walk ends where it would free more."""
    return all(used <= limit_bytes for used in accumulate(_used_sizes(folder), initial=0))


def _used_sizes(folder: bytes) -> Iterator[int]:
    """Yield the disk usage of each file with no other hard link; of what cannot be listed or looked at nothing.

    Such a folder or file is no reason to fail, and it takes less space then: what is too large is removed, not this.
    """
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(above, name))
            except OSError:
                continue
            if status.st_nlink == 1:
                yield status.st_blocks * 512
