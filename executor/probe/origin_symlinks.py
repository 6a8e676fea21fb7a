"""Probe for symlinks: whether a move can leave its links in the origin, before a plan that relies on it is kept.

The last thing that a move does is to put a symbolic link in the place of each file. A disk that has none would say so
only then, when the package is published already. There is no other way to ask a disk than to make one: it stands for
an instant in one folder of each disk of the origin, and the folder gets its time back.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.executor.io.disk import CANNOT_LINK, Disk
from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import path_in
from qa2pack.manifest.problem import Code, Problem

_PROBE = b".qa2pack.probe"  # what a plan that was killed leaves: never packaged, and removed by the next


class Leaving:
    """The disks of an origin, each tried out once.

    Args:
        known: by number of a file system, whether it has symbolic links.
    """

    def __init__(self, disk: Disk, origin: bytes, known: dict[int, bool]) -> None:
        self._disk = disk
        self._origin = origin
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
            yield Problem(Code.NO_SYMLINKS, where, "a disk that has symbolic links", "one that has none")

    def _is_linkable(self, folder: bytes) -> bool:
        with opened_beneath(self._origin, folder) as fd:
            before = os.fstat(fd)
            try:
                return takes_symlinks(self._disk, fd)
            finally:
                with suppress(PermissionError):  # somebody else's folder, in which one may write
                    self._disk.set_times(fd, before.st_mtime_ns)


def takes_symlinks(disk: Disk, fd: int) -> bool:
    """Find out whether a symbolic link can be made in the open folder; nothing is left there."""
    with suppress(FileNotFoundError):
        disk.unlink(_PROBE, dir_fd=fd)
    try:
        disk.symlink(b"probe", _PROBE, dir_fd=fd)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        return False
    disk.unlink(_PROBE, dir_fd=fd)
    return True
