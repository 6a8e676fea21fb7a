"""Spool: external sort of records that arrive in any order and are read in the order of their paths.

The records are kept in an unnamed temporary file. Memory holds only path, offset and length of each, so it grows with
the number of folders, not of files.
"""

import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import IO

from qa2pack.manifest.format.record import merge_records, with_digests
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.path import sort_key

_IN_MEMORY_BYTES = 4 << 20
_BLOCK_BYTES = 1 << 20


def _close_quietly(file: IO[bytes] | tempfile.SpooledTemporaryFile[bytes]) -> None:
    """Close a file and ignore errors: its content is not needed any more, and the disk may be full."""
    with suppress(OSError):
        file.close()


class RecordSpool:
    """Collects encoded records and late digests, and yields the records sorted.

    Several records of one folder are merged. Digests of big files that come after the record are filled in. A spool
    that is not closed, because the work was refused or stopped, frees its file when it is garbage-collected.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        self._closing = weakref.finalize(self, _close_quietly, self._file)
        self._index: list[tuple[bytes, int, int]] = []
        self._offset = 0
        self._is_reading = False
        self._digests: dict[bytes, dict[bytes, bytes]] = {}

    def add(self, path: bytes, blob: bytes) -> None:
        """Add one encoded record; allowed also after some were read."""
        if self._is_reading:
            self._file.seek(self._offset)
            self._is_reading = False
        self._file.write(blob)
        self._index.append((sort_key(path), self._offset, len(blob)))
        self._offset += len(blob)

    def add_digest(self, folder: bytes, name: bytes, digest: bytes) -> None:
        """Add the digest of a file whose record was or will be added without it."""
        self._digests.setdefault(folder, {})[name] = digest

    def sorted_blobs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (path, encoded record) in the order of a stream."""
        self._index.sort()
        for key, parts in groupby(self._index, key=itemgetter(0)):
            path = key.replace(b"\0", b"/")
            blobs = [self._read(offset, length) for _, offset, length in parts]
            late = self._digests.get(path)
            if len(blobs) == 1 and not late:
                yield path, blobs[0]
                continue
            record = merge_records([decode_record(blob) for blob in blobs])
            if late:
                record = with_digests(record, {i: late[n] for i, n in enumerate(record.names) if n in late})
            yield path, encode_record(record)

    def close(self) -> None:
        """Close the temporary file, which frees its space."""
        self._closing()

    def _read(self, offset: int, length: int) -> bytes:
        self._is_reading = True
        self._file.seek(offset)
        return self._file.read(length)


class TextSpool:
    """Collects a text, and yields it again from its beginning; a long one is kept in an unnamed temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by the finalizer
        self._closing = weakref.finalize(self, _close_quietly, self._file)

    def add(self, data: bytes) -> None:
        """Add what follows; nothing may be added after a block was read."""
        self._file.write(data)

    def blocks(self) -> Iterator[bytes]:
        """Yield all of it."""
        self._file.seek(0)
        while block := self._file.read(_BLOCK_BYTES):
            yield block


class OrderedSpool:
    """Collects numbered pieces of text in any order and yields them in the order of their numbers.

    They are kept in an unnamed temporary file, because the first piece may arrive last.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        self._closing = weakref.finalize(self, _close_quietly, self._file)
        self._index: list[tuple[int, int, int]] = []
        self._offset = 0

    def add(self, number: int, data: bytes) -> None:
        """Add one piece; none may be added after the first was read."""
        self._file.write(data)
        self._index.append((number, self._offset, len(data)))
        self._offset += len(data)

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces in order."""
        for _, offset, length in sorted(self._index):
            self._file.seek(offset)
            yield self._file.read(length)

    def close(self) -> None:
        """Close the temporary file, which frees its space."""
        self._closing()
