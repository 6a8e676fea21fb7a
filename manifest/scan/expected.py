"""Expected totals: how many files a scan will find, and how many bytes it will read, from names and sizes.

It is counted in short turns beside the work that reads the files, and takes a small part of the time of that: where
many small files are read in seconds, totals are not known before the end. The result is for a progress display only:
what lies behind a symlink to a folder, and what changes in between, is not in it.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.path import join
from qa2pack.manifest.scan.batches import FileBatch, ScanBatch, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.digest_cache import KnownFolder, known_digests
from qa2pack.manifest.scan.known_folder import known_folder
from qa2pack.manifest.table_lock import LOCK_NAME

_END = object()
_PART = 1 / 50  # of the time that reading takes, so that a plan does not take measurably longer
_FILES_PER_TURN = 32  # few, because each may wait for a server


class ExpectedTotals:
    """Counts what batches will read.

    Attributes:
        file_count, byte_count: what was counted so far.
    """

    def __init__(self, batches: Iterable[ScanBatch]) -> None:
        self.file_count = 0
        self.byte_count = 0
        self._turns = self._counted(batches)  # yields after some files, and after each folder
        self._spent_seconds = 0.0

    def go_on(self, reading_seconds: float) -> bool:
        """Count on as far as it is worth it; return whether all is counted.

        Args:
            reading_seconds: how long the reading takes, as far as is known by now.
        """
        began = time.monotonic()
        until = began + reading_seconds * _PART - self._spent_seconds
        while (now := time.monotonic()) < until:
            if next(self._turns, _END) is _END:
                return True
        self._spent_seconds += now - began
        return False

    def _counted(self, batches: Iterable[ScanBatch]) -> Iterator[None]:
        for batch in batches:
            match batch:
                case SubtreeBatch():
                    yield from self._count_trees(batch)
                case FileBatch():
                    yield from self._count_files(batch)

    def _count_trees(self, batch: SubtreeBatch) -> Iterator[None]:
        pending = list(batch.subtrees)
        while pending:
            with suppress(OSError):  # the scan reports it
                yield from self._count_folder(batch.options, pending.pop(), pending)
            yield

    def _count_folder(self, options: ScanOptions, tree: Subtree, pending: list[Subtree]) -> Iterator[None]:
        """Count the files of one folder, and add its subfolders to those that are pending."""
        known = known_folder(options, tree)
        with os.scandir(os.path.join(options.root, tree.source)) as listing:
            entries = [entry for entry in listing if entry.name not in tree.omit]
        if options.exclude:
            entries = [entry for entry in entries if not first_match(join(tree.source, entry.name), options.exclude)]
        folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        pending += [Subtree(join(tree.source, name), join(tree.path, name)) for name in folders]
        for start in range(0, len(entries), _FILES_PER_TURN):
            files = [entry for entry in entries[start : start + _FILES_PER_TURN] if entry.is_file()]
            if known or not options.is_hashing:
                for entry in files:
                    self._count_file(options, join(tree.source, entry.name), entry.stat(), known)
            else:  # without a call per file
                self.file_count += len(files)
                self.byte_count += sum([entry.stat().st_size for entry in files if entry.name != LOCK_NAME])
            yield

    def _count_files(self, batch: FileBatch) -> Iterator[None]:
        known = known_digests(batch.options.known).folder(batch.path) if batch.options.known else None
        if batch.known:
            known = KnownFolder(batch.known)
        for index, source in enumerate(batch.sources, 1):
            with suppress(OSError):
                self._count_file(batch.options, source, os.stat(os.path.join(batch.options.root, source)), known)
            if index % _FILES_PER_TURN == 0:
                yield
        yield

    def _count_file(
        self, options: ScanOptions, source: bytes, status: os.stat_result, known: KnownFolder | None
    ) -> None:
        self.file_count += 1
        if not options.is_hashing or os.path.basename(source) == LOCK_NAME:
            return
        if known is None or known.digest(source, state_of(status)) is None:
            self.byte_count += status.st_size
