"""Origin files: which packaged files the origin does not have any more, checked before a package is removed.

A source that is as it was packaged in size, mtime, inode and ctime is not read. Any other of the same size is: it may
be the same file with another time or in a new mount, or another one that was given the size and time of it.
"""

import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import WRITTEN, state_of, untouched_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import OpenedBundle
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.presence import is_link, real_path, status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.table_lock import is_table_lock

# A moved file is put back, and a carried one is in the package that is restored; the others came from the origin.
_FROM_ORIGIN = frozenset((Action.LINK, Action.COPY, Action.KEEP))

_EXPECTED = "the file that was packaged"

LOOK_BYTES = 256 << 20  # of the origin, where only a look is wanted: a second or two


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One packaged file that may be gone from the origin: the source is not as it was when it was packaged.

    Attributes:
        source: absolute path at the origin.
        path: path in the member.
        written: size and mtime.
        digest: NO_DIGEST where it was not read.
        goes_too: the origin leads into what is removed: what it has there is no copy.
    """

    source: bytes
    path: bytes
    written: tuple[int, ...]
    digest: bytes
    goes_too: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return self.written[0]

    def has_size(self, path: bytes) -> bool:
        """Return whether a file has the packaged size."""
        status = _status_of_file(path)
        return status is not None and status.st_size == self.size

    def is_written(self, path: bytes) -> bool:
        """Return whether a file has the packaged size and mtime."""
        status = _status_of_file(path)
        return status is not None and untouched_of(status)[WRITTEN] == self.written

    def has_content(self, path: bytes) -> bool:
        """Return whether a file has the packaged content; it is read."""
        if self.digest == NO_DIGEST:
            return self.is_written(path)
        if not self.has_size(path):
            return False
        try:
            with opened_file(path) as fd:
                return digest_of_fd(fd, self.size) == self.digest
        except (OSError, FileGrewOrShrankError):  # what cannot be read may be lost
            return False


class GoingTrees:
    """The trees that are removed; tells which files of the origin are in them, as links to folders lead there.

    Args:
        trees: their folders. A hard link elsewhere to a file of theirs stays.
    """

    def __init__(self, trees: Iterable[bytes] = ()) -> None:
        self._trees = tuple(map(real_path, trees))
        self._known: dict[bytes, bool] = {}

    def have(self, path: bytes) -> bool:
        """Return whether the folder of that path is in one of them; each folder is resolved once."""
        folder = os.path.dirname(path)
        if folder not in self._known:
            place = real_path(folder) if self._trees else folder
            self._known[folder] = any(is_within(place, tree) for tree in self._trees)
        return self._known[folder]


def lost_sources(
    manifest: Described, member: bytes, kept: bytes = b"", *, going: bytes = b"", read_bytes: float = math.inf
) -> Iterator[Problem]:
    """Yield a problem for each source that is missing or changed at the origin, and that only the member still has.

    Args:
        member: folder of the member; what it does not have itself, as after a repair, cannot be lost with it.
        kept: folder of an older state of the member; what it has as well is not lost. Empty for none.
        going: the tree that is removed, if it is more than the member.
        read_bytes: how much is read of files that are not as they were; those beyond that count as unchanged.
    """
    trees = GoingTrees((going or member,))
    for file in doubtful_files(manifest, map(decode_record, manifest.stream.blobs()), trees):
        current_meter().look()
        packaged = join(member, file.path)
        # a hard link of each to any other name changes the ctime
        if not file.goes_too and _are_one(file.source, packaged):
            continue
        read_bytes -= file.size
        has_it = file.has_content if read_bytes >= 0 else file.has_size
        is_at_origin = not file.goes_too and has_it(file.source)
        if is_at_origin or (kept and _has_copy(join(kept, file.path), file, has_it)):
            continue
        if _has_copy(packaged, file, has_it):
            yield _lost(file)
    yield from _lost_in_made(manifest, member, kept, trees, read_bytes)


def _lost_in_made(
    manifest: Described, member: bytes, kept: bytes, going: GoingTrees, read_bytes: float
) -> Iterator[Problem]:
    """Yield those that only a bundle or a split table has, unless the older state has the very same one."""
    for path, blobs in _made_of(manifest):
        made = join(member, path)
        if status_of(made) is None or (kept and _are_one(made, join(kept, path))):
            continue
        for file in doubtful_files(manifest, map(decode_record, blobs), going):
            if manifest.header.mode is Mode.MOVE and is_link(file.source):  # it was moved as well, and goes back
                continue
            current_meter().look()
            read_bytes -= file.size
            has_it = file.has_content if read_bytes >= 0 else file.has_size
            if file.goes_too or not has_it(file.source):
                yield _lost(file)


def _made_of(manifest: Described) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield the path of each bundle and split table with its content, and the records of its sources."""
    for bundle in manifest.notes.bundles:
        if not bundle.is_placeholder:
            yield bundle.path, bundle.records
    if manifest.header.mode.has_content:
        for split in manifest.notes.splits:
            yield join(split.path, b"table.dat"), (split.before,)


def _lost(file: PackagedFile) -> Problem:
    return Problem(Code.ORIGIN_CHANGED, file.source, _EXPECTED, "another one, or none")


def _has_copy(path: bytes, file: PackagedFile, has_it: Callable[[bytes], bool]) -> bool:
    """Return whether a package has the file at a path; its own files are compared by verify."""
    return file.is_written(path) or has_it(path)


def doubtful_files(
    manifest: Described, records: Iterable[FolderRecord], going: GoingTrees | None = None
) -> Iterator[PackagedFile]:
    """Yield each file whose source is missing, or is not as it was when it was packaged; nothing is read.

    Args:
        records: the records of the manifest to check.
        going: what is removed; a source that is in it is yielded too.
    """
    going = going or GoingTrees()
    gone_bundles = [bundle.source for bundle in manifest.notes.opened if not _is_as_opened(manifest, bundle)]
    for record in records:
        for index, action in enumerate(record.actions):
            source = _source(manifest, record, index)
            goes_too = False
            if action == Action.EXTRACT:
                is_gone = any(is_within(record.source_path(index), bundle) for bundle in gone_bundles)
            elif is_gone := action in _FROM_ORIGIN and not is_table_lock(record.names[index]):
                goes_too = going.have(source)
                is_gone = goes_too or not _is_untouched(source, record, index)
            if is_gone:
                path, written = join(record.path, record.names[index]), record.untouched(index)[WRITTEN]
                yield PackagedFile(source, path, written, record.digest(index), goes_too)


def _is_as_opened(manifest: Described, bundle: OpenedBundle) -> bool:
    """Return whether a bundle of the origin, or of a package after a move, is as when files were taken out of it."""
    status = status_of(real_path(os.path.join(manifest.header.origin, bundle.source)))
    return status is not None and state_of(status).written == (bundle.size, bundle.mtime_ns)


def _source(manifest: Described, record: FolderRecord, index: int) -> bytes:
    return os.path.join(manifest.header.origin, record.source_path(index))


def _is_untouched(source: bytes, record: FolderRecord, index: int) -> bool:
    status = _status_of_file(source)
    return status is not None and bool(untouched_of(status) == record.untouched(index))


def _are_one(path: bytes, other: bytes) -> bool:
    status, found = _status_of_file(path), status_of(other)
    return status is not None and found is not None and os.path.samestat(status, found)


def _status_of_file(path: bytes) -> os.stat_result | None:
    status = status_of(path)
    return status if status is not None and stat.S_ISREG(status.st_mode) else None
