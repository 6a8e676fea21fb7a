"""Origin presence: which disks of an origin, whose files were moved, are not there. Read-only.

A name that holds nothing may have been removed by somebody, which concerns that file alone; or the disk that it is on
is not mounted, or the origin was renamed, and all is as it was when it is back. A disk is there if one of its names
is, whatever that holds, or if a folder of it still has the device number that was recorded. That number alone says
nothing: many disks have another one after each mount. An origin without anything in it is not there, either.

A record has the number of its first file only. If an earlier move took that, it is the number of the package's disk;
then a folder counts as there, as the origin does, if anything is in it. Where a record was merged of folders on
several disks, a disk of which there are only such records may pass for one whose files were removed.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_actions
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import is_there, status_of
from qa2pack.manifest.fs.safe_open import LastFolder
from qa2pack.manifest.path import path_in, shown
from qa2pack.manifest.problem import Code, Problem

_OF_ORIGIN = frozenset((Action.MOVE, Action.LINK, Action.COPY, Action.KEEP, Action.SPLIT))


@dataclass(frozen=True, slots=True)
class _Sought:
    """A disk of the origin of which no name was found yet.

    Attributes:
        name: the first name that is sought, relative to the origin.
        place: the nearest folder above it that is there.
        found: what that is, in words.
    """

    name: bytes
    place: bytes
    found: str


def moved_indexes(record: FolderRecord) -> Iterator[int]:
    """Yield the indexes of the files that were moved out of the origin."""
    return filter(record.is_moved, range(len(record.names)))


def missing_disks(manifest: Described) -> tuple[Problem, ...]:
    """Return a problem for each disk of the origin that is not there: one if the origin itself is not.

    Raises:
        OSError: a folder of the origin cannot be looked into.
    """
    origin = manifest.header.origin
    status = status_of(origin)
    if status is None or not stat.S_ISDIR(status.st_mode):
        found = "nothing" if status is None else kind_in_words(status.st_mode)
        return (Problem(Code.ORIGIN_AWAY, origin, "the origin", found),)
    if not os.listdir(origin):  # a mount point, as likely as not: of a bind mount the device is the same
        return (Problem(Code.ORIGIN_AWAY, origin, "the origin", "an empty folder"),)
    sought: dict[int | bytes, _Sought] = {}
    found_disks: set[int | bytes] = set()
    with closing(LastFolder(origin)) as folders:
        for record in _moved_from(manifest):
            disk = _disk_of(record)
            if disk in found_disks:
                continue
            absent = _absent_from(origin, record, folders)
            if absent is None:
                found_disks.add(disk)
                sought.pop(disk, None)
            else:
                sought.setdefault(disk, absent)
    return tuple(
        Problem(Code.ORIGIN_AWAY, each.place, f"a disk with {shown(path_in(origin, each.name))}", each.found)
        for each in sought.values()
    )


def _disk_of(record: FolderRecord) -> int | bytes:
    """Return the device number of the moved files, or the name of the first if the record does not have it."""
    if record.actions[0] in _OF_ORIGIN and not record.source_path(0).startswith(b"/"):
        return record.device
    return record.source_path(next(moved_indexes(record)))


def _moved_from(manifest: Described) -> Iterator[FolderRecord]:
    for blob in manifest.stream.blobs():
        if Action.MOVE in record_actions(blob):
            record = decode_record(blob)
            if any(True for _ in moved_indexes(record)):
                yield record


def _absent_from(origin: bytes, record: FolderRecord, folders: LastFolder) -> _Sought | None:
    """Return the first moved name of the record if the disk of its files is not there."""
    names = [record.source_path(index) for index in moved_indexes(record)]
    if any(_is_there(name, folders) for name in (*names, *_moved_earlier(record, names))):
        return None
    place = _nearest(origin, names[0])
    if _disk_of(record) == record.device:
        return None if os.lstat(place).st_dev == record.device else _Sought(names[0], place, "another")
    return None if os.listdir(place) else _Sought(names[0], place, "an empty folder")


def _moved_earlier(record: FolderRecord, names: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the names of the files that an earlier move took out of the folders of these."""
    folders = {os.path.dirname(name) for name in names}
    for index, action in enumerate(record.actions):
        if action == Action.CARRY and os.path.dirname(record.source_path(index)) in folders:
            yield record.source_path(index)


def _is_there(path: bytes, folders: LastFolder) -> bool:
    folder, name = os.path.split(path)
    try:
        return is_there(name, dir_fd=folders.fd_of(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _nearest(origin: bytes, name: bytes) -> bytes:
    """Return the nearest folder above the name that is there; the origin is."""
    folder = os.path.dirname(name)
    while folder:
        path = path_in(origin, folder)
        status = status_of(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return path
        folder = os.path.dirname(folder)
    return origin
