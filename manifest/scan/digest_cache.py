"""Digest cache: digests of unchanged files, from earlier plans and manifests of the same origin.

A digest is reused when path, inode, device number, size, mtime and ctime of the source are the same, and its mtime is
older than the scan that read it. The last condition is git's rule for "racily clean" files: a file that is written in
the same clock tick in which it was scanned can change without a new mtime. Making a hard link changes the ctime; the
executor records the ctime after its own link in the manifest, so that it does not count as a change.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from threading import Lock

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState, fields_of
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_path
from qa2pack.manifest.format.stream import Stream, StreamError, unhashed_stream
from qa2pack.manifest.path import sort_key

# The kernel sets file times to its last clock tick, up to 10 ms ago.
_CLOCK_TICK_NS = 20_000_000
_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class KnownStream:
    """An earlier plan or manifest with digests that may be reused.

    Attributes:
        path: path of the stream; each worker opens it once.
        scanned_ns: when its scan began, ns since the epoch.
        digest: of the stream, which was validated when it was found; workers do not hash it again.
    """

    path: bytes
    scanned_ns: int
    digest: bytes


class KnownFolder:
    """The digests known for one folder of the package, by source."""

    def __init__(self, blobs: Sequence[tuple[bytes, int]]) -> None:
        """Take encoded records with the times of their scans; each is decoded only when needed."""
        self._blobs = blobs
        self._decoded: dict[int, FolderRecord] = {}  # by position; several threads may fill it
        self._positions: list[dict[bytes, int]] = []

    def unchanged(
        self, source: bytes, names: Sequence[bytes], stats: Sequence[os.stat_result]
    ) -> FolderRecord | None:
        """Return the record of a source folder, if names and states of all files are unchanged, and all have digests.

        It does for a whole folder what `digest` does for one file, many times faster.
        """
        for record, scanned_ns in self._records():
            has_these = record.source == source and not record.source_names and record.names == names
            is_old_enough = max(record.mtimes, default=0) < scanned_ns - _CLOCK_TICK_NS
            if has_these and is_old_enough and _are_same(record, stats):
                return record if _has_all_digests(record) else None
        return None

    def digest(self, source: bytes, state: FileState) -> bytes | None:
        """Return the digest of the source if its recorded state is exactly this one, else None."""
        if not self._positions:
            self._positions = [{r.source_path(i): i for i in range(len(r.names))} for r, _ in self._records()]
        for (record, scanned_ns), positions in zip(self._records(), self._positions, strict=True):
            index = positions.get(source)
            if index is not None and record.state(index) == state:
                digest = record.digest(index)
                if digest != NO_DIGEST and state.mtime_ns < scanned_ns - _CLOCK_TICK_NS:
                    return digest
        return None

    def _records(self) -> Iterator[tuple[FolderRecord, int]]:
        for number, (blob, scanned_ns) in enumerate(self._blobs):
            record = self._decoded.get(number)
            if record is None:
                record = self._decoded[number] = decode_record(blob)
            yield record, scanned_ns


def _are_same(record: FolderRecord, stats: Sequence[os.stat_result]) -> bool:
    # Without a loop in Python: to make and compare a state of each file takes many times longer.
    return list(map(fields_of, stats)) == list(record.state_fields())


def _has_all_digests(record: FolderRecord) -> bool:
    if NO_DIGEST not in record.digests:
        return True
    return all(record.digest(index) != NO_DIGEST for index in range(len(record.names)))


class KnownDigests:
    """Looks up folders in the known streams; fast when asked in about the order of the streams.

    Several threads may ask.
    """

    def __init__(self, streams: tuple[KnownStream, ...]) -> None:
        self._lock = Lock()
        self._cursors = []
        for known in streams:
            # A stream that is gone or was replaced gives no digests, and does not stop the scan.
            with suppress(StreamError):
                stream = unhashed_stream(known.path)
                if stream.digest == known.digest:
                    self._cursors.append((_Cursor(stream), known.scanned_ns))

    def folder(self, path: bytes) -> KnownFolder | None:
        """Return the known digests of a folder of the package, or None."""
        with self._lock:
            found = [(cursor.find(path), scanned_ns) for cursor, scanned_ns in self._cursors]
        blobs = [(blob, scanned_ns) for blob, scanned_ns in found if blob is not None]
        return KnownFolder(blobs) if blobs else None


@lru_cache(maxsize=1)
def known_digests(streams: tuple[KnownStream, ...]) -> KnownDigests:
    """Return this process's lookup for the streams; cached to keep its position in the files."""
    return KnownDigests(streams)


class _Cursor:
    """The segments of a stream, each about 1 MiB by its index, in which the last folders were looked for.

    A scan leaves what is below a folder in several batches, and goes on with each in turn.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._keys = [sort_key(path) for path, _ in stream.index]
        self._segments: dict[int, dict[bytes, bytes]] = {}  # the one that was used last is the last

    def find(self, path: bytes) -> bytes | None:
        segment = bisect_right(self._keys, sort_key(path)) - 1
        if segment < 0:
            return None
        blobs = self._segments.pop(segment, None) or dict(self._read(segment))
        self._segments[segment] = blobs
        if len(self._segments) > _SEGMENTS:
            del self._segments[next(iter(self._segments))]
        return blobs.get(path)

    def _read(self, segment: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the records of a segment by path."""
        end = self._keys[segment + 1] if segment + 1 < len(self._keys) else None
        for blob in self._stream.blobs(self._stream.index[segment][1]):
            path = record_path(blob)
            if end is not None and sort_key(path) >= end:
                return
            yield path, blob
