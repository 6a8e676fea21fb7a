"""Refresh ctimes: records the final ctimes of hard-linked files in the manifest, for the digest cache.

Making or removing a hard link changes the ctime of a file. A file may be linked again after its ctime was recorded,
to another path in the same member; and the links of a replaced package are removed. Without this module, the next
plan would treat all these files as changed and read them again. A ctime that changed while the transaction held the
package lock is accepted if size, mtime and inode are the same. If another program changed such a file in that time
with the mtime reset, verify still finds it, because the digests stay.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.manifests import replace_manifest
from qa2pack.executor.transaction.paths import TransactionPaths, published_members
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.file_state import IDENTITY, untouched_of
from qa2pack.manifest.format.files import Described, write_records
from qa2pack.manifest.format.header import Notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.fs.safe_open import opened_beneath

_LINKED = frozenset({Action.LINK, Action.MOVE, Action.CARRY, Action.KEEP})


def refresh_ctimes(paths: TransactionPaths, opened: OpenedFiles, disk: Disk) -> None:
    """Rewrite the manifest of each published member with the present ctimes, where they may have changed.

    Afterwards the new manifest is on disk under the old name. Idempotent.
    """
    if paths.publishing.is_removal:
        return
    for member in published_members(paths):
        _refresh_ctimes_of(member, paths, opened, disk)


def _refresh_ctimes_of(member: bytes, paths: TransactionPaths, opened: OpenedFiles, disk: Disk) -> None:
    path = paths.package.manifest(member)
    manifest = opened.manifest(path)
    if not _may_have_changed(paths, manifest):
        return
    folder = paths.package.member(member)
    os.lstat(folder)  # single files may be missing, but an apply must not end well if the whole member is gone
    temporary = path + b".new"
    if is_there(temporary):
        disk.unlink(temporary)
    with created_file(disk, temporary) as file:
        write_records(file, manifest.header, _notes(manifest), _records(manifest, folder))
        file.flush()
        disk.fsync(file.fileno())
    replace_manifest(disk, temporary, path)
    sync_folder(disk, os.path.dirname(path))


def _may_have_changed(paths: TransactionPaths, manifest: Described) -> bool:
    if manifest.header.mode is Mode.MOVE or paths.publishing.has_previous:
        return True
    sources = [task.source for task in manifest.notes.splits]
    return len(set(sources)) < len(sources)  # one table, packaged in two ways


def _notes(manifest: Described) -> Notes:
    """Return the notes with present ctimes of the split sources, which may be linked elsewhere in the member."""
    origin = manifest.header.origin
    tasks = (replace(task, before=_with_ctimes_at(origin, task.before)) for task in manifest.notes.splits)
    return replace(manifest.notes, splits=tuple(tasks))


def _with_ctimes_at(origin: bytes, blob: bytes) -> bytes:
    record = decode_record(blob)
    ctimes = list(record.ctimes)
    for index in range(len(record.names)):
        folder, name = os.path.split(record.source_path(index))
        with suppress(OSError), opened_beneath(origin, folder) as fd:
            ctimes[index] = _ctime_now(record, index, name, fd)
    return encode_record(replace(record, ctimes=ctimes))


def _records(manifest: Described, member: bytes) -> Iterator[tuple[bytes, bytes]]:
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        linked = [index for index, action in enumerate(record.actions) if action in _LINKED]
        if linked:
            yield record.path, encode_record(replace(record, ctimes=_ctimes(record, linked, member)))
        else:
            yield record.path, blob


def _ctimes(record: FolderRecord, linked: list[int], member: bytes) -> list[int]:
    ctimes = list(record.ctimes)
    # A repair leaves files missing that it could not have: without this, the apply would fail here for ever.
    with suppress(FileNotFoundError, NotADirectoryError), opened_beneath(member, record.path) as fd:
        for index in linked:
            with suppress(FileNotFoundError):
                ctimes[index] = _ctime_now(record, index, record.names[index], fd)
    return ctimes


def _ctime_now(record: FolderRecord, index: int, name: bytes, dir_fd: int) -> int:
    status = os.lstat(name, dir_fd=dir_fd)
    is_same = untouched_of(status)[IDENTITY] == record.untouched(index)[IDENTITY]
    return status.st_ctime_ns if is_same else record.ctimes[index]
