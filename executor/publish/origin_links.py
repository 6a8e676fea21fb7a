"""Origin links: after a move, replaces each moved file of the origin by a symlink into the package, or puts it back.

Runs after everything else is on disk. This module selects the files, in batches, and reports those that were not
changed; `executor.publish.origin_file` handles one. Folders are never replaced, and sources outside the origin are
never changed.
"""

import os
from contextlib import suppress
from dataclasses import field
from enum import Enum, auto
from typing import assert_never

from qa2pack.executor.errors import OriginAwayError
from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.publish.origin_file import Hindrance, OriginName, point_elsewhere
from qa2pack.executor.publish.origin_presence import missing_disks, moved_indexes
from qa2pack.executor.stage.planned_source import planned_source
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, grouped_blobs
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem

_EXPECTED = "the file that was moved"
_NO_FOLDER = "none: its folder is not there"


class Direction(Enum):
    """Direction of the change at the origin."""

    TO_LINKS = auto()
    BACK = auto()
    LOOK = auto()  # change nothing: only report what would not be changed


@dataclass(frozen=True, slots=True)
class OriginBatch:
    """Encoded records of a member whose moved files are to be replaced by symlinks, or put back.

    Attributes:
        member: absolute path of the published member.
        is_resumed: it was visible before this run.
        changed: paths of its files that are not as packaged, whatever their size and mtime.
    """

    disk: Disk
    origin: bytes
    member: bytes
    blobs: tuple[bytes, ...]
    direction: Direction
    is_resumed: bool = False
    changed: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class OriginResult:
    """Problems of names that were not changed, because the origin does not hold the file that was moved any more.

    Attributes:
        folders: by device number, one folder on each file system that was written to.
        has_copies: files came back as copies, which have content, name, permissions and times of what was moved.
        given_up: problems of names that hold nothing, whose file the package does not have either: not in `problems`.
    """

    problems: list[Problem] = field(default_factory=list)
    given_up: list[Problem] = field(default_factory=list)
    folders: dict[int, bytes] = field(default_factory=dict)
    has_copies: bool = False


def replace_by_links(
    manifest: Described, member: bytes, *, engine: Engine, disk: Disk, is_resumed: bool
) -> list[Problem]:
    """Replace every moved file of the origin by a symlink into the member; idempotent.

    All is on disk when this returns.

    Args:
        is_resumed: the member was visible before this run: what people did there since must not be relied on.

    Returns:
        A problem for each name that was not changed, because it holds another file now, or none, or the member does.

    Raises:
        OriginAwayError: the origin, or a disk in it, is not there; to be called again when it is.
    """
    done = _run(manifest, member, Direction.TO_LINKS, engine=engine, disk=disk, is_resumed=is_resumed)
    if done.problems or manifest.notes.relinks:  # afterwards: it may have gone while this ran
        _check_there(manifest)
    for relink in manifest.notes.relinks:
        _relink(disk, manifest.header.origin, relink.link, relink.old, relink.new)
    _sync(manifest, done, disk)
    return done.problems


def sweep_origin(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> None:
    """Put back what a stopped run left beside the names, where the member is gone: it may be the only copy."""
    done = _run(manifest, member, Direction.TO_LINKS, engine=engine, disk=disk, is_resumed=True)
    _sync(manifest, done, disk)


def put_back(manifest: Described, member: bytes, *, engine: Engine, disk: Disk) -> OriginResult:
    """Put the moved files back in place of the symlinks to the member; idempotent.

    A file on the package's file system comes back as the same inode, else as a checked copy. All is on disk when this
    returns.

    Returns:
        A result with a problem for each file that could not go back: the package has its last copy. Those that are
        given up keep nothing from being done.

    Raises:
        OriginAwayError: the origin, or a disk in it, is not there; nothing was changed.
    """
    _check_there(manifest)  # first: what is put back into an empty mount point is hidden by the next mount
    for relink in manifest.notes.relinks:
        _relink(disk, manifest.header.origin, relink.link, relink.new, relink.old)
    done = _run(manifest, member, Direction.BACK, engine=engine, disk=disk)
    # Where two files of the package had one source, the other one may have come back under its name.
    done.given_up = [problem for problem in done.given_up if not is_there(problem.path)]
    _sync(manifest, done, disk)
    return done


def look_at_origin(
    manifest: Described, member: bytes, *, engine: Engine, disk: Disk, changed: frozenset[bytes] = frozenset()
) -> OriginResult:
    """Return a problem for each name that `put_back` would not change, where all disks are there; changes nothing.

    Args:
        changed: paths of the member's files that are not as packaged; only of these the content is read.
    """
    return _run(manifest, member, Direction.LOOK, engine=engine, disk=disk, changed=changed)


def _check_there(manifest: Described) -> None:
    if missing := missing_disks(manifest):
        raise OriginAwayError(missing)


def _run(
    manifest: Described,
    member: bytes,
    direction: Direction,
    *,
    engine: Engine,
    disk: Disk,
    is_resumed: bool = False,
    changed: frozenset[bytes] = frozenset(),
) -> OriginResult:
    done, origin = OriginResult(), manifest.header.origin
    groups = grouped_blobs(manifest.stream.blobs())
    batches = (OriginBatch(disk, origin, member, group, direction, is_resumed, changed) for group in groups)
    for result in run_streamed(engine, work_on_origin, batches):
        done.problems.extend(result.problems)
        done.given_up.extend(result.given_up)
        done.folders |= result.folders
        done.has_copies |= result.has_copies
    for found in (done.problems, done.given_up):
        found.sort(key=lambda problem: problem.path)
    return done


def _sync(manifest: Described, done: OriginResult, disk: Disk) -> None:
    """Sync every file system that was written to: others may be mounted below the origin."""
    folders = dict(done.folders)
    if is_folder(manifest.header.origin):
        folders[os.stat(manifest.header.origin).st_dev] = manifest.header.origin
    for folder in folders.values():
        sync_file_system(disk, folder)


def work_on_origin(batch: OriginBatch) -> OriginResult:
    """Process one batch in its direction."""
    result = OriginResult()
    for blob in batch.blobs:
        record = decode_record(blob)
        for index in moved_indexes(record):
            folder, name = os.path.split(record.source_path(index))
            hindrance = _turn(batch, (folder, name), record, index, result)
            if hindrance is not None:
                path = os.path.join(batch.origin, folder, hindrance.name)
                code = Code.MOVED_LOST if hindrance.is_of_package else Code.ORIGIN_CHANGED
                problems = result.given_up if hindrance.is_given_up else result.problems
                problems.append(Problem(code, path, _EXPECTED, hindrance.found))
    return result


def _turn(
    batch: OriginBatch, source: tuple[bytes, bytes], record: FolderRecord, index: int, result: OriginResult
) -> Hindrance | None:
    """Process one name; return what is in the way, None if nothing is."""
    folder, name = source
    target = b"/".join((batch.member, join(record.path, record.names[index])))
    try:
        with opened_beneath(batch.origin, folder) as fd:
            result.folders.setdefault(os.fstat(fd).st_dev, os.path.join(batch.origin, folder))
            planned = planned_source(record, index)
            is_doubted = batch.is_resumed or target in batch.changed
            origin_name = OriginName(batch.disk, fd, name, batch.member, target, planned, is_doubted)
            match batch.direction:
                case Direction.TO_LINKS:
                    return origin_name.to_link()
                case Direction.BACK:
                    hindrance = origin_name.back()
                    result.has_copies = result.has_copies or (hindrance is None and origin_name.is_copy)
                    return hindrance
                case Direction.LOOK:
                    return origin_name.in_the_way()
                case _:
                    assert_never(batch.direction)
    except (FileNotFoundError, NotADirectoryError):
        return Hindrance(name, _NO_FOLDER)


def _relink(disk: Disk, origin: bytes, link: bytes, old: bytes, new: bytes) -> None:
    """Change the target of a symlink of the origin from `old` to `new`."""
    folder, name = os.path.split(link)
    with suppress(FileNotFoundError, NotADirectoryError), opened_beneath(origin, folder) as fd:
        point_elsewhere(disk, (name, fd), old=old, new=new)
