"""Origin files: which packaged files the origin does not have any more, checked before a package is removed.

A source that is as it was packaged in size, mtime, inode and ctime is not read. Any other of the same size is: it may
be the same file with another time or in a new mount, or another one that was given the size and time of it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.file_state import WRITTEN, untouched_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_actions
from qa2pack.manifest.fs.presence import file_status_of
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.going_trees import GoingTrees
from qa2pack.manifest.plan.opened_bundles import ChangedBundle, changed_bundle
from qa2pack.manifest.plan.packaged_file import PackagedFile
from qa2pack.manifest.table_lock import is_table_lock

# A carried file is in the package that is restored, and a file that was moved out of the origin is put back.
_FROM_ORIGIN = frozenset((Action.LINK, Action.COPY, Action.KEEP, Action.MOVE))
_MOVED = frozenset((Action.MOVE, Action.CARRY))


class OriginFiles:
    """The files of an origin as they are now, compared with what a manifest says was packaged of them.

    Args:
        going: what is removed: what the origin has in it counts as gone.
    """

    def __init__(self, manifest: Described, going: GoingTrees | None = None) -> None:
        self._manifest = manifest
        self._origin = manifest.header.origin
        self._going = going or GoingTrees()

    def doubtful(self) -> Iterator[PackagedFile]:
        """Yield each packaged file whose source is missing, or is not as it was; nothing is read."""
        return self.doubtful_of(map(decode_record, self._manifest.stream.blobs()))

    def doubtful_of(self, records: Iterable[FolderRecord]) -> Iterator[PackagedFile]:
        """Yield those of some records of the manifest."""
        for record in records:
            for index, action in enumerate(record.actions):
                if action == Action.EXTRACT:
                    yield from self._taken_out(record, index)
                elif action in _FROM_ORIGIN and not record.is_moved(index) and not is_table_lock(record.names[index]):
                    yield from self._doubtful_file(record, index)

    def doubtful_in_made(self) -> Iterator[tuple[bytes, Iterator[PackagedFile]]]:
        """Yield the path in the member of each bundle and split table, with the doubtful files that it is made of."""
        for path, blobs in _made_of(self._manifest):
            yield path, self.doubtful_of(map(self._not_moved, blobs))

    def _not_moved(self, blob: bytes) -> FolderRecord:
        """Return a record of a bundle or split table without what was moved as well, and so goes back."""
        record = decode_record(blob)
        if not self._moved:
            return record
        return record.selected([i for i in range(len(record.names)) if record.source_path(i) not in self._moved])

    def _doubtful_file(self, record: FolderRecord, index: int) -> Iterator[PackagedFile]:
        source = os.path.join(self._origin, record.source_path(index))
        goes_too = self._going.have(source)
        if goes_too or not _is_untouched(source, record, index):
            yield self._packaged(record, index, goes_too=goes_too)

    def _packaged(self, record: FolderRecord, index: int, *, goes_too: bool) -> PackagedFile:
        source, path = os.path.join(self._origin, record.source_path(index)), join(record.path, record.names[index])
        return PackagedFile(source, path, record.untouched(index)[WRITTEN], record.digest(index), goes_too)

    def _taken_out(self, record: FolderRecord, index: int) -> Iterator[PackagedFile]:
        source = record.source_path(index)
        for path, bundle in self._changed_bundles.items():
            if is_within(source, path):
                yield replace(self._packaged(record, index, goes_too=bundle.goes_too), bundle=bundle)

    @cached_property
    def _changed_bundles(self) -> dict[bytes, ChangedBundle]:
        """The bundles of the origin that are not as they were when files were taken out of them, by source."""
        opened = (bundle for bundle in self._manifest.notes.opened if bundle.source not in self._moved)
        found = {bundle.source: changed_bundle(self._origin, bundle, self._going) for bundle in opened}
        return {source: bundle for source, bundle in found.items() if bundle is not None}

    @cached_property
    def _moved(self) -> frozenset[bytes]:
        """The opened bundles, and sources of bundles and split tables, that were moved as well, now or earlier."""
        manifest = self._manifest
        asked = {bundle.source for bundle in manifest.notes.opened}
        if manifest.header.mode is Mode.MOVE:
            asked.update(source for source in _sources_of_made(manifest) if not self._has_file(source))
        return frozenset(source for source in _moved_sources(manifest) if source in asked) if asked else frozenset()

    def _has_file(self, source: bytes) -> bool:
        return file_status_of(os.path.join(self._origin, source)) is not None


def _made_of(manifest: Described) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield the path of each bundle and split table with its content, and the records of its sources."""
    for bundle in manifest.notes.bundles:
        if not bundle.is_placeholder:
            yield bundle.path, bundle.records
    if manifest.header.mode.has_content:
        for split in manifest.notes.splits:
            yield join(split.path, b"table.dat"), (split.before,)


def _sources_of_made(manifest: Described) -> Iterator[bytes]:
    for _, blobs in _made_of(manifest):
        for record in map(decode_record, blobs):
            yield from map(record.source_path, range(len(record.names)))


def _moved_sources(manifest: Described) -> Iterator[bytes]:
    """Yield what was moved into the package out of the origin, by this apply or by an earlier one."""
    for blob in manifest.stream.blobs():
        if not _MOVED.isdisjoint(record_actions(blob)):
            record = decode_record(blob)
            for index, action in enumerate(record.actions):
                if action == Action.CARRY or record.is_moved(index):
                    yield record.source_path(index)


def _is_untouched(source: bytes, record: FolderRecord, index: int) -> bool:
    status = file_status_of(source)
    return status is not None and bool(untouched_of(status) == record.untouched(index))
