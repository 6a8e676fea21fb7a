"""Search for copies of damaged files: in the origin, and in other copies of the package.

A file is recognised by its size and digest, wherever it is: first where it belongs, then anywhere in the places that
are searched. So a hard link that was changed in place is never taken from its own other name.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.record import NO_DIGEST, Entry
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd, digests_of_fd
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.presence import is_folder, real_path
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.rebuild import Source
from qa2pack.manifest.table_lock import LOCK_NAME, is_table_lock, row_count_of, rows_of_digest

Sums = Mapping[bytes, bytes]  # the sha256 of files, by their path in the member


@dataclass(frozen=True, slots=True)
class CopySearch:
    """Where copies of the files of one member are searched; the package itself is no place for that.

    Attributes:
        manifest: of the member.
        places: folders with other copies: a package, a member, unpacked tars; searched before the origin.
        sums: those that a copy must have, besides its digest.
    """

    package: Package
    manifest: Described
    places: Sequence[bytes]
    sums: Sums = field(default_factory=dict)

    def sources(self, wanted: Sequence[Entry]) -> dict[bytes, Source]:
        """Return where the files can be had, by path in the member; those that cannot be had are missing."""
        found = {entry.path: source for entry in wanted if (source := self._where_it_belongs(entry))}
        missing = [entry for entry in wanted if entry.path not in found and entry.digest != NO_DIGEST]
        for path, entries in _of_the_same_size(missing, (*self.places, self.manifest.header.origin)):
            for entry in entries:
                if entry.path not in found and (source := self._copy_at(path, entry)):
                    found[entry.path] = source
        return found

    def _where_it_belongs(self, entry: Entry) -> Source | None:
        if is_table_lock(entry.path):
            return self._lock_source(entry)
        return next((source for path in self._paths_of(entry) if (source := self._copy_at(path, entry))), None)

    def _lock_source(self, entry: Entry) -> Source | None:
        """Return the source of a `table.lock`: any that tells the number of rows that it had.

        If it says none it may have any content; staging makes one where it finds none.
        """
        own = join(self.package.member(self.manifest.header.member), entry.path)
        expected = rows_of_digest(entry.digest)
        for path in (own, *self._paths_of(entry)):
            if _row_count(path) == expected if expected is not None else is_folder(os.path.dirname(path)):
                return Source(path, Action.COPY, entry.state)
        # Of any content: staging makes one where it finds none, and it is none that has this name there.
        return Source(join(self.package.control, LOCK_NAME), Action.COPY, entry.state) if expected is None else None

    def _paths_of(self, entry: Entry) -> Iterator[bytes]:
        """Yield where the places and the origin would have the file."""
        for place in self.places:
            yield from (join(place, path) for path in paths_in_copy(self.manifest.header, entry))
        yield self._own_source(entry)

    def _own_source(self, entry: Entry) -> bytes:
        return os.path.join(self.manifest.header.origin, entry.source)

    def _copy_at(self, path: bytes, entry: Entry) -> Source | None:
        """Return the file as a source if it has the content of the packaged one; it is read."""
        if is_within(real_path(path), real_path(self.package.path)):
            return None
        try:
            with opened_file(path) as fd:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                    return None
                if not self._has_content(fd, entry):
                    return None
        except (OSError, FileGrewOrShrankError):
            return None
        is_own = path == self._own_source(entry)
        is_near = os.stat(self.package.parent).st_dev == status.st_dev
        is_linked = self.manifest.header.mode is Mode.HARD and is_own and is_near
        return Source(path, Action.LINK if is_linked else Action.COPY, state_of(status))

    def _has_content(self, fd: int, entry: Entry) -> bool:
        expected = self.sums.get(entry.path)
        if expected is None:
            return digest_of_fd(fd, entry.size) == entry.digest
        return digests_of_fd(fd, entry.size) == (entry.digest, expected)


def paths_in_copy(header: Header, entry: Entry) -> tuple[bytes, ...]:
    """Return where another copy would have a file: one of the member, of the package, or of the folder around it."""
    inside = join(folder_of(header.member), entry.path)
    return entry.path, join(header.member, entry.path), inside, join(header.project, inside)


def _row_count(lock: bytes) -> int | None:
    try:
        return row_count_of(read_lock(lock))
    except OSError:  # it is gone, or cannot be looked at: it is no source
        return None


def _of_the_same_size(wanted: Sequence[Entry], places: Iterable[bytes]) -> Iterator[tuple[bytes, list[Entry]]]:
    """Yield each file in these places with the wanted ones that it could be."""
    sizes: dict[int, list[Entry]] = {}
    for entry in wanted:
        sizes.setdefault(entry.size, []).append(entry)
    for place in places if wanted else ():
        for above, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                path = join(above, name)
                try:
                    status = os.lstat(path)
                except OSError:  # it is gone, or cannot be looked at: it is no source
                    continue
                if stat.S_ISREG(status.st_mode) and status.st_size in sizes:
                    yield path, sizes[status.st_size]
