"""Probe for symlinks: whether a move can leave its links in the origin, before a plan that relies on it is kept.

The last thing that a move does is to put a symbolic link in the place of each file. A disk that has none would say so
only then, when the package is published already. One that takes links and does not give them back (sshfs refuses to
read absolute ones, or rewrites them; nosymfollow) would not say so at all: the names of the origin could not be read
any more, nor put back by a rollback. There is no other way to ask a disk than to make one and look at it: it stands
for an instant in one folder of each disk of the origin, and the folder gets its time back. Where making it fails
as on a broken disk, an empty file is tried in its place.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.executor.io.disk import CANNOT_LINK, Disk
from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import path_in
from qa2pack.manifest.problem import Code, Problem

_CANNOT_FOLLOW = (*CANNOT_LINK, errno.EACCES, errno.ELOOP)  # of a link that we made a moment ago
_EXPECTED = "a disk that has absolute symbolic links and follows them"
_PROBE = b".qa2pack.probe"  # what a plan that was killed leaves: never packaged, and removed by the next


class Leaving:
    """The disks of an origin, each tried out once.

    Args:
        target: absolute path of something that is there, to which links are tried.
        known: by number of a file system, whether it has symbolic links.
    """

    def __init__(self, disk: Disk, origin: bytes, target: bytes, known: dict[int, bool]) -> None:
        self._disk = disk
        self._origin = origin
        self._target = target
        self._known = known
        self._reported: set[int] = set()

    def problems(self, record: FolderRecord) -> Iterator[Problem]:
        """Yield a problem if files of this folder cannot be replaced by links; one for each disk."""
        paths = (record.source_path(index) for index, action in enumerate(record.actions) if action == Action.MOVE)
        path = next((path for path in paths if not path.startswith(b"/")), None)
        if path is None or record.device in self._reported:
            return
        folder = os.path.dirname(path)
        if record.device not in self._known:
            self._known[record.device] = self._is_linkable(folder)
        if not self._known[record.device]:
            self._reported.add(record.device)
            where = path_in(self._origin, folder)
            yield Problem(Code.NO_SYMLINKS, where, _EXPECTED, "one that has none")

    def _is_linkable(self, folder: bytes) -> bool:
        with opened_beneath(self._origin, folder) as fd:
            before = os.fstat(fd)
            try:
                return has_symlinks(self._disk, fd, self._target)
            finally:
                with suppress(PermissionError):  # somebody else's folder, in which one may write
                    self._disk.set_times(fd, before.st_mtime_ns)


def has_symlinks(disk: Disk, fd: int, target: bytes) -> bool:
    """Find out whether a symbolic link in the open folder leads to where it was made to; nothing is left there.

    Args:
        target: absolute path of something that is there.
    """
    with suppress(FileNotFoundError):
        disk.unlink(_PROBE, dir_fd=fd)
    try:
        disk.symlink(target, _PROBE, dir_fd=fd)
    except OSError as error:
        # Too long is the target: XFS takes 1,024 bytes, some less.
        if error.errno in (*CANNOT_LINK, errno.ENAMETOOLONG) or (error.errno == errno.EIO and _takes_file(disk, fd)):
            return False
        raise
    try:
        return _leads_to(target, fd)
    finally:
        disk.unlink(_PROBE, dir_fd=fd)


def _takes_file(disk: Disk, fd: int) -> bool:
    """Whether a file can be made where no link could: then the disk is not broken, it has none (rclone mounts)."""
    try:
        os.close(disk.create(_PROBE, dir_fd=fd))
    except OSError:
        return False
    disk.unlink(_PROBE, dir_fd=fd)
    return True


def _leads_to(target: bytes, fd: int) -> bool:
    """Whether the link reads as it was made, and can be followed."""
    try:
        if os.readlink(_PROBE, dir_fd=fd) != target:
            return False
        os.stat(_PROBE, dir_fd=fd)
    except OSError as error:
        if error.errno not in _CANNOT_FOLLOW:
            raise
        return False
    return True
