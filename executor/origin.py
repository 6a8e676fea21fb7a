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

from executor.copying import Planned, copy_small
from executor.disk import Disk, sync_file_system
from executor.staging import planned_source
from manifest.engine import Engine, run_streamed
from manifest.folder import opened_beneath, opened_file, opened_folder
from manifest.path import join
from manifest.planfile import Described
from manifest.problem import Code, Problem
from manifest.record import NO_DIGEST, Action, FolderRecord, decode_record

_BATCH_BYTES = 256 << 10


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
    """What was left alone, because the origin holds something else there now."""

    problems: list[Problem] = field(default_factory=list)
    file_count: int = 0


def replace_by_links(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Replace every moved file of the origin by a link into the member; done again, it goes on.

    All is on disk when this returns.

    Returns:
        A problem for each name that holds something else now and was left alone.
    """
    problems = _run(manifest, member, Direction.TO_LINKS, engine=engine, disk=disk)
    for relink in manifest.notes.relinks:
        _point(disk, manifest.header.origin, relink.link, relink.old, relink.new)
    _sync(manifest, disk)
    return problems


def put_back(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Put the moved files back where links to the member stand; done again, it goes on.

    A file on the package's file system comes back as the same inode, else as a checked copy. All is on disk when this returns.
    """
    for relink in manifest.notes.relinks:
        _point(disk, manifest.header.origin, relink.link, relink.new, relink.old)
    problems = _run(manifest, member, Direction.BACK, engine=engine, disk=disk)
    _sync(manifest, disk)
    return problems


def look_at_origin(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> list[Problem]:
    """Return a problem for each name that putting back would leave alone, and change nothing."""
    return _run(manifest, member, Direction.LOOK, engine=engine, disk=disk)


def _run(manifest: Described, member: bytes, direction: Direction, *, engine: Engine, disk: Disk) -> list[Problem]:
    batches = _batches(manifest, member, direction, disk)
    problems = [problem for result in run_streamed(engine, work_on_origin, batches) for problem in result.problems]
    return sorted(problems, key=lambda problem: problem.path)


def _batches(manifest: Described, member: bytes, direction: Direction, disk: Disk) -> Iterator[OriginBatch]:
    blobs: list[bytes] = []
    for blob in manifest.stream.blobs():
        blobs.append(blob)
        if sum(map(len, blobs)) >= _BATCH_BYTES:
            yield OriginBatch(disk, manifest.header.origin, member, tuple(blobs), direction)
            blobs = []
    if blobs:
        yield OriginBatch(disk, manifest.header.origin, member, tuple(blobs), direction)


def _sync(manifest: Described, disk: Disk) -> None:
    if manifest.header.origin and os.path.isdir(manifest.header.origin):
        sync_file_system(disk, manifest.header.origin)


def work_on_origin(batch: OriginBatch) -> OriginResult:
    """Do one batch in its direction."""
    result = OriginResult()
    for blob in batch.blobs:
        record = decode_record(blob)
        for index in _moved(record):
            source = os.path.join(batch.origin, record.source_path(index))
            target = b"/".join((batch.member, join(record.path, record.names[index])))
            result.file_count += 1
            if not _turn(batch, target, record, index):
                result.problems.append(Problem(Code.ORIGIN_CHANGED, source, "the file that was moved", "another"))
    return result


def _turn(batch: OriginBatch, target: bytes, record: FolderRecord, index: int) -> bool:
    """Turn one name; False if it, or its folder, is not what the move left or found."""
    folder, name = os.path.split(record.source_path(index))
    try:
        with opened_beneath(batch.origin, folder) as fd:
            spot = _Spot(batch.disk, fd, name, target, planned_source(record, index))
            match batch.direction:
                case Direction.TO_LINKS:
                    return spot.to_link()
                case Direction.BACK:
                    return spot.back()
                case Direction.LOOK:
                    return spot.look() is not _Holds.STRANGER
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
    LINK = auto()  # our link to it
    OTHER_LINK = auto()  # a link to another file of the package: two files of it have this one source
    NOTHING = auto()
    STRANGER = auto()


@dataclass(frozen=True, slots=True)
class _Spot:
    """One name of the origin, in an open folder, and the file of the package that belongs to it."""

    disk: Disk
    fd: int
    name: bytes
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
            target = os.readlink(self.name, dir_fd=self.fd)
            if target == self.target:
                return _Holds.LINK
            return _Holds.OTHER_LINK if os.path.exists(target) else _Holds.STRANGER
        planned = self.planned
        is_planned = (status.st_size, status.st_mtime_ns) == (planned.size, planned.mtime_ns)
        return _Holds.FILE if is_planned else _Holds.STRANGER

    def to_link(self) -> bool:
        """Replace the file by a link; True if a link is there then."""
        holds = self.look()
        if holds is _Holds.FILE:
            if os.lstat(self.name, dir_fd=self.fd).st_ino != self.planned.inode:
                return False
            self.point()
        return holds in (_Holds.FILE, _Holds.LINK, _Holds.OTHER_LINK)

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
            _Spot(disk, fd, name, new, _NOTHING_PLANNED).point()


_NOTHING_PLANNED = Planned(size=0, mtime_ns=0, ctime_ns=0, inode=0, mode=0, digest=NO_DIGEST)
