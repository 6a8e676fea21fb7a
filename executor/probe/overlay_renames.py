"""Probe for overlays: folders that an overlay file system does not rename, before a plan that relies on it is kept.

What comes from a lower layer (a container's image) can be changed in an overlay, but its folders cannot be renamed
unless redirect_dir is on: EXDEV. A new package changes places with the old one, so the apply would find that out when
everything is staged and committed. The overlay is asked by a rename that no file system carries out: onto a folder
with something in it.
"""

import errno
import os
from collections.abc import Iterable, Iterator

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.fs.presence import is_plain_folder
from qa2pack.manifest.path import join


def unmovable(folders: Iterable[bytes], probe: bytes, disk: Disk) -> Iterator[bytes]:
    """Yield the folders that cannot be renamed within their overlay; what is not there, or on no overlay, can be.

    Args:
        probe: a folder of ours on the same file system, in which everything may be made.
    """
    if not _is_overlay(probe):
        return
    full = join(probe, b"full")
    disk.mkdir(full)
    disk.mkdir(join(full, b"folder"))
    for folder in folders:
        if is_plain_folder(folder) and not _can_move(folder, full, disk):
            yield folder


def _can_move(folder: bytes, full: bytes, disk: Disk) -> bool:
    try:
        disk.replace(folder, full)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EXDEV):
            raise
        return error.errno != errno.EXDEV
    return True


def _is_overlay(folder: bytes) -> bool:
    """Tell whether the folder's file system is an overlay; no other is ever asked by a rename."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            number = next((line.split()[1] for line in file if line.startswith(b"mnt_id:")), b"")
        with open("/proc/self/mountinfo", "rb") as file:
            return any(line.split()[0] == number and b" - overlay " in line for line in file)
    finally:
        os.close(fd)
