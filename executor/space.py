"""How much room a plan needs beside the package, and how much there is."""

import os

from qa2pack.executor.tickets.size import ticket_bytes
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header, Notes
from qa2pack.manifest.fs.presence import is_folder

_BLOCK_BYTES = 4096  # at most: what network file systems name as block is what they like to be sent at once
_MANIFEST_BYTES_PER_FILE = 256  # of two manifests, the second with new ctimes, while both are there


def needed_bytes(package: Package, header: Header, notes: Notes) -> int:
    """Return about what applying a plan takes on a disk: files that are made, not linked, and the ticket files.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    # The last block of a file is half empty on the average: with small files that is most of what they take.
    blocks = min(notes.new_files, notes.new_bytes) * _BLOCK_BYTES // 2
    return notes.new_bytes + blocks + ticket_bytes(package, header, notes)


def enough_bytes(package: Package, header: Header, notes: Notes) -> int:
    """Return what is surely enough: the last block of each file counted whole, and manifests.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    half_blocks = notes.new_files * (_BLOCK_BYTES // 2)
    return needed_bytes(package, header, notes) + half_blocks + notes.file_count * _MANIFEST_BYTES_PER_FILE


def free_bytes(package: Package) -> int:
    """Return what a user may still write where the package is, or will be."""
    stats = file_system_of(package)
    return stats.f_bavail * stats.f_frsize


def file_system_of(package: Package) -> os.statvfs_result:
    """Return the state of the file system that holds the control folder, or will hold it."""
    return os.statvfs(package.control if is_folder(package.control) else package.parent)


def used_bytes(folder: bytes) -> int:
    """Return what the files below a folder take that have no other name: what would be free again without them."""
    used = 0
    for above, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(above, name))
            used += status.st_blocks * 512 if status.st_nlink == 1 else 0
    return used
