"""Records that come in any order and are wanted in the order of their paths.

The records wait in an unnamed temporary file; only path, offset and length are held, so memory grows with the number
of folders, not of files.
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


def _close_quietly(file: IO[bytes]) -> None:
    """Close a file that nobody needs any more, also one of which not all could be written."""
    with suppress(OSError):
        file.close()


class RecordSpool:
    """Takes encoded records, and digests that belong to them, and gives them back sorted.

    Several records of one folder are merged. Digests of big files that came after the record are put in. A spool that
    is forgotten, because the work was refused or stopped, gives its file back as one that is closed.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        self._closing = weakref.finalize(self, _close_quietly, self._file)
        self._index: list[tuple[bytes, int, int]] = []
        self._offset = 0
        self._is_reading = False
        self._digests: dict[bytes, dict[bytes, bytes]] = {}

    def add(self, path: bytes, blob: bytes) -> None:
        """Take one encoded record, also after some were read."""
        if self._is_reading:
            self._file.seek(self._offset)
            self._is_reading = False
        self._file.write(blob)
        self._index.append((sort_key(path), self._offset, len(blob)))
        self._offset += len(blob)

    def add_digest(self, folder: bytes, name: bytes, digest: bytes) -> None:
        """Take the digest of a file whose record was or will be added without it."""
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
        """Give the temporary file back."""
        self._closing()

    def _read(self, offset: int, length: int) -> bytes:
        self._is_reading = True
        self._file.seek(offset)
        return self._file.read(length)


class OrderedSpool:
    """Takes pieces of text in any order and gives them back in the order of their numbers.

    They wait in an unnamed temporary file, because the first piece may be the last to come.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        self._closing = weakref.finalize(self, _close_quietly, self._file)
        self._index: list[tuple[int, int, int]] = []
        self._offset = 0

    def add(self, number: int, data: bytes) -> None:
        """Take one piece; none may be added after the first was given back."""
        self._file.write(data)
        self._index.append((number, self._offset, len(data)))
        self._offset += len(data)

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces in order."""
        for _, offset, length in sorted(self._index):
            self._file.seek(offset)
            yield self._file.read(length)

    def close(self) -> None:
        """Give the temporary file back."""
        self._closing()
