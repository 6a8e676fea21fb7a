"""Origin files: which packaged files the origin does not have any more, checked before a package is removed.

Compares names, sizes and mtimes; content is read only before a rollback, of files whose mtime alone differs.
"""

import math
import os
import stat
from collections.abc import Iterable, Iterator

from qa2pack.manifest.actions import Action
from qa2pack.manifest.file_state import WRITTEN, state_of, untouched_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import OpenedBundle
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import real_path, status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.table_lock import is_table_lock

# A moved file is put back, and a carried one is in the package that is restored; the others came from the origin.
_FROM_ORIGIN = frozenset((Action.LINK, Action.COPY, Action.KEEP))

_EXPECTED = "the file that was packaged"


def lost_sources(
    manifest: Described, member: bytes, kept: bytes = b"", *, read_bytes: float = math.inf
) -> Iterator[Problem]:
    """Yield a problem for each source that is missing or changed at the origin, and that only the member still has.

    Args:
        member: folder of the member; what it does not have itself, as after a repair, cannot be lost with it.
        kept: folder of an older state of the member; what it has as well is not lost. Empty for none.
        read_bytes: how much is read of files whose mtime alone differs; those beyond that count as unchanged.
    """
    for record, index in _gone(manifest, map(decode_record, manifest.stream.blobs())):
        path, source = join(record.path, record.names[index]), _source(manifest, record, index)
        read_bytes -= record.sizes[index]
        others = (source, join(kept, path)) if kept else (source,)
        has_it = _has_content if read_bytes >= 0 else _has_size
        is_lost = not any(has_it(other, record, index) for other in others)
        if is_lost and has_it(join(member, path), record, index):
            yield Problem(Code.ORIGIN_CHANGED, source, _EXPECTED, "another one, or none")


def _has_content(path: bytes, record: FolderRecord, index: int) -> bool:
    """Return whether a file has the packaged content, which is read only if its mtime is another one."""
    if _is_there(path, record, index):
        return True
    if not _has_size(path, record, index):
        return False
    try:
        with opened_file(path) as fd:
            return digest_of_fd(fd, record.sizes[index]) == record.digest(index)
    except (OSError, FileGrewOrShrankError):  # what cannot be read may be lost
        return False


def _has_size(path: bytes, record: FolderRecord, index: int) -> bool:
    status = status_of(path)
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == record.sizes[index]


def gone_files(manifest: Described, records: Iterable[FolderRecord]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield source, path in the member and digest of each file that is missing or changed at the origin.

    Args:
        records: the records of the manifest to check.
    """
    for record, index in _gone(manifest, records):
        yield _source(manifest, record, index), join(record.path, record.names[index]), record.digest(index)


def _gone(manifest: Described, records: Iterable[FolderRecord]) -> Iterator[tuple[FolderRecord, int]]:
    gone_bundles = [bundle.source for bundle in manifest.notes.opened if not _is_as_opened(manifest, bundle)]
    for record in records:
        for index, action in enumerate(record.actions):
            if action == Action.EXTRACT:
                is_gone = any(is_within(record.source_path(index), bundle) for bundle in gone_bundles)
            else:
                is_source = action in _FROM_ORIGIN and not is_table_lock(record.names[index])
                is_gone = is_source and not _is_there(_source(manifest, record, index), record, index)
            if is_gone:
                yield record, index


def _is_as_opened(manifest: Described, bundle: OpenedBundle) -> bool:
    """Return whether a bundle of the origin, or of a package after a move, is as when files were taken out of it."""
    status = status_of(real_path(os.path.join(manifest.header.origin, bundle.source)))
    return status is not None and state_of(status).written == (bundle.size, bundle.mtime_ns)


def _source(manifest: Described, record: FolderRecord, index: int) -> bytes:
    return os.path.join(manifest.header.origin, record.source_path(index))


def _is_there(source: bytes, record: FolderRecord, index: int) -> bool:
    status = status_of(source)
    if status is None or not stat.S_ISREG(status.st_mode):
        return False
    return bool(untouched_of(status)[WRITTEN] == record.untouched(index)[WRITTEN])
