"""What `move` does to the origin, after everything else is on disk: each moved file becomes a link to its new home.

A link is prepared beside the file and renamed over it, so at every instant the name leads to the whole content. A
name that does not hold the planned file any more is left alone and told. Putting back is the same in the other
direction. Folders are never replaced, and sources outside the origin are never touched.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import assert_never

import xxhash

from executor.copying import copy_small
from executor.disk import Disk, sync_file_system
from executor.planned import Planned, planned_source
from manifest.digest import FileGrewOrShrankError, digest_of_fd
from manifest.engine import Engine, run_streamed
from manifest.folder import opened_beneath, opened_file, opened_folder
from manifest.path import is_within, join
from manifest.planfile import Described
from manifest.problem import Code, Problem
from manifest.record import NO_DIGEST, Action, FolderRecord, decode_record, grouped_blobs


class Direction(Enum):
    """Which way the origin's files go."""

    TO_LINKS = auto()
    BACK = auto()
    LOOK = auto()  # nowhere: only say what would be left alone


@dataclass(frozen=True, slots=True)
class OriginBatch:
    """Encoded records of a member whose moved files are to be replaced by links, or put back.

    Attributes:
        member: absolute path of the published member.
    """

    disk: Disk
    origin: bytes
    member: bytes
    blobs: tuple[bytes, ...]
    direction: Direction


@dataclass(slots=True)
class OriginResult:
    """What was left alone, because the origin holds something else there now.

    Attributes:
        folders: a folder on each file system that was written to.
    """

    problems: list[Problem] = field(default_factory=list)
    folders: dict[int, bytes] = field(default_factory=dict)


def replace_by_links(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Replace every moved file of the origin by a link into the member; done again, it goes on.

    All is on disk when this returns.

    Returns:
        A problem for each name that holds something else now and was left alone.
    """
    done = _run(manifest, member, Direction.TO_LINKS, engine=engine, disk=disk)
    for relink in manifest.notes.relinks:
        _point(disk, manifest.header.origin, relink.link, relink.old, relink.new)
    _sync(manifest, done, disk)
    return done.problems


def put_back(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Put the moved files back where links to the member stand; done again, it goes on.

    A file on the package's file system comes back as the same inode, else as a checked copy. All is on disk when this
    returns.

    Returns:
        A problem for each file that could not go back: the package is its only home.
    """
    for relink in manifest.notes.relinks:
        _point(disk, manifest.header.origin, relink.link, relink.new, relink.old)
    done = _run(manifest, member, Direction.BACK, engine=engine, disk=disk)
    _sync(manifest, done, disk)
    return done.problems


def look_at_origin(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Return a problem for each name that putting back would leave alone, and change nothing."""
    return _run(manifest, member, Direction.LOOK, engine=engine, disk=disk).problems


def _run(manifest: Described, member: bytes, direction: Direction, *, engine: Engine, disk: Disk) -> OriginResult:
    done = OriginResult()
    for result in run_streamed(engine, work_on_origin, _batches(manifest, member, direction, disk)):
        done.problems.extend(result.problems)
        done.folders |= result.folders
    done.problems.sort(key=lambda problem: problem.path)
    return done


def _batches(manifest: Described, member: bytes, direction: Direction, disk: Disk) -> Iterator[OriginBatch]:
    groups = grouped_blobs(manifest.stream.blobs())
    return (OriginBatch(disk, manifest.header.origin, member, group, direction) for group in groups)


def _sync(manifest: Described, done: OriginResult, disk: Disk) -> None:
    """Bring to the disk what was written: other file systems may be mounted below the origin."""
    folders = dict(done.folders)
    if os.path.isdir(manifest.header.origin):
        folders[os.stat(manifest.header.origin).st_dev] = manifest.header.origin
    for folder in folders.values():
        sync_file_system(disk, folder)


def work_on_origin(batch: OriginBatch) -> OriginResult:
    """Do one batch in its direction."""
    result = OriginResult()
    for blob in batch.blobs:
        record = decode_record(blob)
        for index in _moved(record):
            source = os.path.join(batch.origin, record.source_path(index))
            target = b"/".join((batch.member, join(record.path, record.names[index])))
            if not _turn(batch, target, record, index, result):
                result.problems.append(Problem(Code.ORIGIN_CHANGED, source, "the file that was moved", "another"))
    return result


def _turn(batch: OriginBatch, target: bytes, record: FolderRecord, index: int, result: OriginResult) -> bool:
    """Turn one name; False if it, or its folder, is not what the move left or found."""
    folder, name = os.path.split(record.source_path(index))
    try:
        with opened_beneath(batch.origin, folder) as fd:
            result.folders.setdefault(os.fstat(fd).st_dev, os.path.join(batch.origin, folder))
            spot = _Spot(batch.disk, fd, name, batch.member, target, planned_source(record, index))
            match batch.direction:
                case Direction.TO_LINKS:
                    return spot.to_link()
                case Direction.BACK:
                    return spot.back()
                case Direction.LOOK:
                    return spot.can_go_back()
                case _:
                    assert_never(batch.direction)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _moved(record: FolderRecord) -> Iterable[int]:
    for index, action in enumerate(record.actions):
        if action == Action.MOVE and not record.source_path(index).startswith(b"/"):
            yield index


class _Holds(Enum):
    """What stands at a name of the origin."""

    FILE = auto()  # the file that was planned
    LINK = auto()  # a link into the member; where two of its files have one source, it may lead to the other one
    NOTHING = auto()
    STRANGER = auto()


@dataclass(frozen=True, slots=True)
class _Spot:
    """One name of the origin, in an open folder, and the file of the package that belongs to it.

    Attributes:
        member: absolute path of the member.
        target: absolute path of the file in it.
    """

    disk: Disk
    fd: int
    name: bytes
    member: bytes
    target: bytes
    planned: Planned

    @property
    def temporary(self) -> bytes:
        """The name under which the new thing is prepared; always the same, so that litter is known again."""
        return b".qa2pack." + xxhash.xxh3_64_hexdigest(self.name).encode()

    def look(self) -> _Holds:
        """Say what stands at the name."""
        try:
            status = os.lstat(self.name, dir_fd=self.fd)
        except FileNotFoundError:
            return _Holds.NOTHING
        if stat.S_ISLNK(status.st_mode):
            is_ours = self._leads_into_member(os.readlink(self.name, dir_fd=self.fd))
            return _Holds.LINK if is_ours else _Holds.STRANGER
        is_planned = stat.S_ISREG(status.st_mode) and (self._is_target(status) or self._is_planned(status))
        return _Holds.FILE if is_planned else _Holds.STRANGER

    def _leads_into_member(self, link: bytes) -> bool:
        if link == self.target:
            return True
        # Another file of the package that has the same source, or the package by another path, through links.
        here = b"/proc/self/fd/%d" % self.fd
        return is_within(os.path.realpath(os.path.join(here, link)), os.path.realpath(self.member))

    def _is_target(self, status: os.stat_result) -> bool:
        """Tell whether this is the inode that the package has: then nothing is lost, whatever was written to it."""
        try:
            return os.path.samestat(status, os.lstat(self.target))
        except FileNotFoundError:
            return False

    def _is_planned(self, status: os.stat_result) -> bool:
        """Tell whether this is the file that was copied, or one with its content; read only if its state differs."""
        planned = self.planned
        if (status.st_size, status.st_mtime_ns) != (planned.size, planned.mtime_ns):
            return False
        if (status.st_ino, status.st_ctime_ns) == (planned.inode, planned.ctime_ns):
            return True
        with suppress(FileGrewOrShrankError), opened_file(self.name, dir_fd=self.fd) as fd:
            return digest_of_fd(fd, planned.size) == planned.digest
        return False

    def to_link(self) -> bool:
        """Replace the file by a link; True if a link is there then."""
        holds = self.look()
        if holds is _Holds.FILE:
            self.point()
        return holds in (_Holds.FILE, _Holds.LINK)

    def can_go_back(self) -> bool:
        """Tell whether `back` would leave the file at the name."""
        match self.look():
            case _Holds.FILE:
                return True
            case _Holds.LINK | _Holds.NOTHING:
                return os.path.lexists(self.target)
            case _Holds.STRANGER:
                return False

    def back(self) -> bool:
        """Put the file back where the link is, or nothing; True if it is there then."""
        self.clear()
        holds = self.look()
        if holds in (_Holds.LINK, _Holds.NOTHING):
            folder, name = os.path.split(self.target)
            with opened_folder(folder) as package_fd:
                self._bring(name, package_fd)
            self.disk.replace(self.temporary, self.name, dir_fd=self.fd)
        return holds is not _Holds.STRANGER

    def point(self) -> None:
        """Put a link to the target in place of what stands at the name."""
        self.clear()
        self.disk.symlink(self.target, self.temporary, dir_fd=self.fd)
        self.disk.replace(self.temporary, self.name, dir_fd=self.fd)

    def clear(self) -> None:
        """Remove what a stopped run prepared."""
        with suppress(FileNotFoundError):
            os.lstat(self.temporary, dir_fd=self.fd)
            self.disk.unlink(self.temporary, dir_fd=self.fd)

    def _bring(self, name: bytes, package_fd: int) -> None:
        try:
            self.disk.link(name, self.temporary, source_fd=package_fd, dir_fd=self.fd)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy_back(name, package_fd)

    def _copy_back(self, name: bytes, package_fd: int) -> None:
        with opened_file(name, dir_fd=package_fd) as source:
            status = os.fstat(source)
            planned = replace(self.planned, inode=status.st_ino, ctime_ns=0)
            copy_small(self.disk, source, self.temporary, self.fd, planned)


def _point(disk: Disk, origin: bytes, link: bytes, old: bytes, new: bytes) -> None:
    """Let a link of the origin that leads to `old` lead to `new`."""
    folder, name = os.path.split(link)
    with suppress(FileNotFoundError, NotADirectoryError), opened_beneath(origin, folder) as fd:
        if stat.S_ISLNK(os.lstat(name, dir_fd=fd).st_mode) and os.readlink(name, dir_fd=fd) == old:
            _Spot(disk, fd, name, b"", new, _NOTHING_PLANNED).point()


_NOTHING_PLANNED = Planned(size=0, mtime_ns=0, ctime_ns=0, inode=0, mode=0, digest=NO_DIGEST)
