"""What `move` does to the origin, after everything else is on disk: each moved file becomes a link to its new home.

Here is which files that concerns, batch by batch, and what is told of those left alone; `executor.spot` does one.
Folders are never replaced, and sources outside the origin are never touched.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.publish.origin_file import OriginName, point_elsewhere
from qa2pack.executor.stage.planned_source import planned_source
from qa2pack.manifest.actions import Action
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, grouped_blobs
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem


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
        _relink(disk, manifest.header.origin, relink.link, relink.old, relink.new)
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
        _relink(disk, manifest.header.origin, relink.link, relink.new, relink.old)
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
    if is_folder(manifest.header.origin):
        folders[os.stat(manifest.header.origin).st_dev] = manifest.header.origin
    for folder in folders.values():
        sync_file_system(disk, folder)


def work_on_origin(batch: OriginBatch) -> OriginResult:
    """Do one batch in its direction."""
    result = OriginResult()
    for blob in batch.blobs:
        record = decode_record(blob)
        for index in _moved(record):
            folder, name = os.path.split(record.source_path(index))
            in_the_way = _turn(batch, (folder, name), record, index, result)
            if in_the_way is not None:
                path = os.path.join(batch.origin, folder, in_the_way)
                result.problems.append(Problem(Code.ORIGIN_CHANGED, path, "the file that was moved", "another"))
    return result


def _turn(
    batch: OriginBatch, source: tuple[bytes, bytes], record: FolderRecord, index: int, result: OriginResult
) -> bytes | None:
    """Turn one name; return the one in the same folder that is not what the move left or found, None if all is."""
    folder, name = source
    target = b"/".join((batch.member, join(record.path, record.names[index])))
    try:
        with opened_beneath(batch.origin, folder) as fd:
            result.folders.setdefault(os.fstat(fd).st_dev, os.path.join(batch.origin, folder))
            origin_name = OriginName(batch.disk, fd, name, batch.member, target, planned_source(record, index))
            match batch.direction:
                case Direction.TO_LINKS:
                    return origin_name.to_link()
                case Direction.BACK:
                    return origin_name.back()
                case Direction.LOOK:
                    return origin_name.in_the_way()
                case _:
                    assert_never(batch.direction)
    except (FileNotFoundError, NotADirectoryError):
        return name


def _moved(record: FolderRecord) -> Iterable[int]:
    for index, action in enumerate(record.actions):
        if action == Action.MOVE and not record.source_path(index).startswith(b"/"):
            yield index


def _relink(disk: Disk, origin: bytes, link: bytes, old: bytes, new: bytes) -> None:
    """Let a link of the origin that leads to `old` lead to `new`."""
    folder, name = os.path.split(link)
    with suppress(FileNotFoundError, NotADirectoryError), opened_beneath(origin, folder) as fd:
        point_elsewhere(disk, (name, fd), old=old, new=new)
