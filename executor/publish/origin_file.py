"""Origin file: replaces one moved file of the origin by a symlink, and puts it back.

At every moment the name leads to the whole content. A name that holds neither the planned file nor our symlink is not
changed. The file of the package is never changed.
"""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto

from qa2pack.executor.io.disk import CANNOT_LINK, Disk
from qa2pack.executor.publish.exchange import Swap
from qa2pack.executor.stage.copy import copy_small
from qa2pack.executor.stage.planned_source import Planned, SourceChangedError
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import is_same_time, state_of
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import is_there, real_path, status_of
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.path import is_within
from qa2pack.manifest.table_lock import is_table_lock

_ANOTHER = "another"
_NONE = "none"
_NOT_PACKAGED = "none in the package"
_ANOTHER_PACKAGED = "another in the package"


class _Holds(Enum):
    """What a name of the origin holds."""

    FILE = auto()  # the file that was planned
    LINK = auto()  # a symlink into the member; where two of its files have one source, it may lead to the other one
    NOTHING = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a name of the origin was not changed.

    Attributes:
        name: that which is in the way, in the folder of the name.
        found: what it holds, in words.
        is_of_package: the origin is as it should be; it is the package that does not have the file that was moved.
        is_given_up: neither has anything under this name any more: somebody took away what led to the file.
    """

    name: bytes
    found: str
    is_of_package: bool = False
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class OriginName:
    """One name of the origin, in an open folder, and the file of the package that belongs to it.

    Attributes:
        member: absolute path of the member.
        target: absolute path of the file in it.
        is_doubted: size and mtime of the copy in the package are not relied on: it is read. What lies beside the name
            never goes without that.
    """

    disk: Disk
    fd: int
    name: bytes
    member: bytes
    target: bytes
    planned: Planned
    is_doubted: bool = False

    def to_link(self) -> Hindrance | None:
        """Replace the file by a symlink; return what keeps it from that, None if the symlink is in place."""
        swap = self._swap
        if not swap.sweep():
            return Hindrance(swap.beside, _ANOTHER)
        seen = status_of(self.name, dir_fd=self.fd)
        holds = self._judge(self.name, seen)
        if holds is _Holds.FILE:
            if not self._is_spare_file(seen, is_quick=not self.is_doubted):
                return self._not_moved
            self.disk.symlink(self.target, swap.beside, dir_fd=self.fd)
            if swap.enter(seen):
                return None
        return None if holds is _Holds.LINK else self._hindrance()

    def in_the_way(self) -> Hindrance | None:
        """Return what would prevent `back` from restoring the file, None if nothing would."""
        beside = self._swap.beside
        left, holds = self._look(beside), self._look(self.name)
        # Where the whole member is gone, nothing is swept.
        if left is _Holds.OTHER or (left is not _Holds.NOTHING and not is_there(self.member)):
            return Hindrance(beside, _ANOTHER)
        if holds is _Holds.OTHER:
            return Hindrance(self.name, _ANOTHER)
        if left is _Holds.FILE and not self._is_spare(beside):  # it goes back to the name
            return Hindrance(beside, _ANOTHER) if holds is _Holds.FILE and not self._is_spare(self.name) else None
        return None if holds is _Holds.FILE or self._is_moved_one else self._not_moved

    def back(self) -> Hindrance | None:
        """Put the file back in place of the symlink, or at a free name; return what is in the way, None if done."""
        swap = self._swap
        if not swap.sweep():
            return Hindrance(swap.beside, _ANOTHER)
        holds = self._look(self.name)
        if holds is _Holds.FILE:
            return None
        if holds is _Holds.OTHER:
            return Hindrance(self.name, _ANOTHER)
        if not self._is_moved_one:
            return self._not_moved
        folder, name = os.path.split(self.target)
        try:
            with opened_folder(folder) as package_fd:
                self._bring(name, package_fd, swap)
        except SourceChangedError:  # since it was looked at
            return self._not_moved
        is_there = swap.enter() if holds is _Holds.LINK else swap.fill()
        return None if is_there else self._hindrance()

    def _hindrance(self) -> Hindrance:
        """Return what the name holds in place of what it should; it may have gone a moment ago."""
        return Hindrance(self.name, _NONE if self._look(self.name) is _Holds.NOTHING else _ANOTHER)

    @property
    def _not_moved(self) -> Hindrance:
        """What the package has in place of the file that was moved."""
        if self._is_packaged:
            return Hindrance(self.name, _ANOTHER_PACKAGED, is_of_package=True)
        is_given_up = self._look(self.name) is _Holds.NOTHING
        return Hindrance(self.name, _NOT_PACKAGED, is_of_package=True, is_given_up=is_given_up)

    @property
    def is_copy(self) -> bool:
        """Whether the name holds neither the package's own file nor the one that was planned, untouched."""
        status = status_of(self.name, dir_fd=self.fd)
        if status is None or self._is_target(status):
            return False
        found, planned = state_of(status), self.planned.state
        # Where the package's name of the same file was removed, that changed the ctime.
        return found.untouched != planned.untouched if self._is_packaged else found.identity != planned.identity

    @property
    def _swap(self) -> Swap:
        return Swap(self.disk, self.fd, self.name, self._is_spare)

    def _is_spare(self, name: bytes) -> bool:
        seen = status_of(name, dir_fd=self.fd)
        holds = self._judge(name, seen)
        return holds is _Holds.LINK or (holds is _Holds.FILE and self._is_spare_file(seen, is_quick=False))

    def _is_spare_file(self, seen: os.stat_result | None, *, is_quick: bool) -> bool:
        """Return whether the planned file, with this stat result, may go, because the package has it or its content.

        It may have been removed from the package since a stop, or another may have its name there.
        """
        packaged = status_of(self.target)
        if packaged is None:
            return False
        is_same = seen is not None and os.path.samestat(seen, packaged)
        return is_same or self._is_like_planned(packaged, is_quick=is_quick)

    @property
    def _is_packaged(self) -> bool:
        """Whether the package still has a file of this name."""
        return is_there(self.target)

    @property
    def _is_moved_one(self) -> bool:
        """Whether the package has the file that was moved, or its content: another may have its name since a stop."""
        packaged = status_of(self.target)
        if packaged is None or not stat.S_ISREG(packaged.st_mode):
            return False
        is_near = packaged.st_dev == os.fstat(self.fd).st_dev  # else the number says nothing
        is_moved = is_near and packaged.st_ino == self.planned.state.inode
        return is_moved or self._is_like_planned(packaged, is_quick=not self.is_doubted)

    def _is_like_planned(self, packaged: os.stat_result, *, is_quick: bool) -> bool:
        """Return whether the package's file has the planned content; quick: read only if size or mtime differ."""
        planned = self.planned.state
        if not stat.S_ISREG(packaged.st_mode):
            return False
        is_written = packaged.st_size == planned.size and is_same_time(planned.mtime_ns, packaged.st_mtime_ns)
        if is_table_lock(self.target) or (is_written and (is_quick or self.planned.digest == NO_DIGEST)):
            return True
        return self._has_content(self.target)

    def _has_content(self, name: bytes) -> bool:
        with suppress(FileGrewOrShrankError), opened_file(name, dir_fd=self.fd) as fd:
            return digest_of_fd(fd, self.planned.state.size) == self.planned.digest
        return False

    def _look(self, name: bytes) -> _Holds:
        return self._judge(name, status_of(name, dir_fd=self.fd))

    def _judge(self, name: bytes, status: os.stat_result | None) -> _Holds:
        """Return what a name with this stat result holds."""
        if status is None:
            return _Holds.NOTHING
        if stat.S_ISLNK(status.st_mode):
            is_ours = self._leads_into_member(os.readlink(name, dir_fd=self.fd))
            return _Holds.LINK if is_ours else _Holds.OTHER
        is_planned = stat.S_ISREG(status.st_mode) and (self._is_target(status) or self._is_planned(name, status))
        return _Holds.FILE if is_planned else _Holds.OTHER

    def _leads_into_member(self, link: bytes) -> bool:
        if link == self.target:
            return True
        # Another file of the package with the same source, or the package by another path, through symlinks.
        here = b"/proc/self/fd/%d" % self.fd
        return is_within(real_path(os.path.join(here, link)), real_path(self.member))

    def _is_target(self, status: os.stat_result) -> bool:
        """Return whether this is the inode of the package's file: then no content is lost by replacing it."""
        found = status_of(self.target)
        return found is not None and os.path.samestat(status, found)

    def _is_planned(self, name: bytes, status: os.stat_result) -> bool:
        """Return whether this is the file that was copied, or has its content; read it only if its state differs."""
        planned, found = self.planned.state, state_of(status)
        if found.written != planned.written:
            return False
        return found.untouched == planned.untouched or self._has_content(name)

    def _bring(self, name: bytes, package_fd: int, swap: Swap) -> None:
        """Prepare the file beside the name: the package's own inode, or a checked copy."""
        try:
            self.disk.link(name, swap.beside, source_fd=package_fd, dir_fd=self.fd)
        except OSError as error:
            if error.errno not in (errno.EXDEV, *CANNOT_LINK):
                raise
            self._copy_back(name, package_fd, swap)

    def _copy_back(self, name: bytes, package_fd: int, swap: Swap) -> None:
        with opened_file(name, dir_fd=package_fd) as source:
            state = replace(state_of(os.fstat(source)), ctime_ns=0)  # any that has the content will do
            copy_small(self.disk, source, swap.unfinished, self.fd, replace(self.planned, state=state))
        # Synced before it gets its final name: truncated by a power cut, it would be taken for a file of the user.
        with opened_file(swap.unfinished, dir_fd=self.fd) as copy:
            if state.mtime_ns != self.planned.state.mtime_ns:  # somebody, or a coarse disk, changed it
                self.disk.set_times(copy, self.planned.state.mtime_ns)
            self.disk.fsync(copy)
        self.disk.replace(swap.unfinished, swap.beside, dir_fd=self.fd)


def point_elsewhere(disk: Disk, link: tuple[bytes, int], *, old: bytes, new: bytes) -> None:
    """Change the target of a symlink from `old` to `new`; anything else is not changed.

    Args:
        link: its name, and the descriptor of its folder.

    Raises:
        FileNotFoundError: the name does not exist.
    """
    name, fd = link
    swap = Swap(disk, fd, name, lambda name: _target(name, fd) in (old, new))
    if swap.sweep() and _target(name, fd) == old:
        disk.symlink(new, swap.beside, dir_fd=fd)
        swap.enter()


def _target(name: bytes, fd: int) -> bytes | None:
    """Return the target of a symlink; None if it is not a symlink."""
    if not stat.S_ISLNK(os.lstat(name, dir_fd=fd).st_mode):
        return None
    return os.readlink(name, dir_fd=fd)
