"""The file format of plans and manifests: a checksummed stream of frames.

    magic, version | header frame | folder frames, sorted by path | notes frame | trailer frame | footer

A frame is its kind (1 byte), the length of its payload (4 bytes, little-endian) and the payload, msgpack. The trailer
holds counts and a sparse index from folder path to offset. The footer has a fixed size and stands at the end:
offset of the notes and of the trailer, XXH3-128 of all before the digest, and an end mark. So a file that was cut
short, one with a flipped bit, one that is something else and one from a newer version are told apart, in that order
of tests: mark at the start, version, mark at the end, digest.

Reading and writing stream; only the notes and the index are held. Where the bytes go is the caller's business:
the writer gets an open file, and the caller makes it durable and gives it its name.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgpack
import xxhash

from qa2pack.manifest.path import shown, sort_key
from qa2pack.manifest.record import record_path
from qa2pack.manifest.sizes import counted

MAGIC = b"qa2pack\n"
END = b"qa2end.\n"
VERSION = 1
_START = struct.Struct("<8sH")
_FRAME = struct.Struct("<cI")
_FOOTER = struct.Struct("<QQ16s8s")
_INDEX_STEP_BYTES = 1 << 20
_READ_BYTES = 1 << 20
HEADER, FOLDER, NOTES, TRAILER = b"H", b"F", b"N", b"T"


class StreamError(Exception):
    """A plan or manifest file that cannot be used.

    Attributes:
        path: the file.
        reason: in words what is wrong with it.
    """

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class NewerFormatError(StreamError):
    """A plan or manifest that is good, and in a format that this program is too old for."""


class StreamWriter:
    """Writes one stream; `close` must be called, a stream without its footer reads as truncated."""

    def __init__(self, file: BinaryIO, header: dict[str, object]) -> None:
        self._file = file
        self._hash = xxhash.xxh3_128()
        self._offset = 0
        self._folder_count = 0
        self._index: list[tuple[bytes, int]] = []
        self._indexed_offset = -_INDEX_STEP_BYTES
        self._write(_START.pack(MAGIC, VERSION))
        self._frame(HEADER, msgpack.packb(header))

    @property
    def offset(self) -> int:
        """Where the next frame will begin."""
        return self._offset

    def digest(self) -> bytes:
        """Return the digest of all that was written so far."""
        return self._hash.digest()

    def folder(self, path: bytes, blob: bytes) -> None:
        """Append one encoded record; the caller keeps the order of `sort_key(path)`."""
        if self._offset - self._indexed_offset >= _INDEX_STEP_BYTES:
            self._index.append((path, self._offset))
            self._indexed_offset = self._offset
        self._folder_count += 1
        self._frame(FOLDER, blob)

    def close(self, notes: dict[str, object]) -> bytes:
        """Write notes, trailer and footer; return the digest of the stream. The file stays open."""
        notes_offset = self._offset
        self._frame(NOTES, msgpack.packb(notes))
        trailer_offset = self._offset
        self._frame(TRAILER, msgpack.packb({"folders": self._folder_count, "index": self._index}))
        self._write(struct.pack("<QQ", notes_offset, trailer_offset))
        digest = self._hash.digest()
        self._file.write(digest + END)
        return digest

    def _frame(self, kind: bytes, payload: bytes) -> None:
        self._write(_FRAME.pack(kind, len(payload)) + payload)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)
        self._offset += len(data)


@dataclass(frozen=True, slots=True)
class Stream:
    """A checked stream on disk: small things at hand, folders read on demand."""

    path: bytes
    header: dict[str, object]
    notes: dict[str, object]
    digest: bytes
    folder_count: int
    index: tuple[tuple[bytes, int], ...]
    folders_offset: int
    notes_offset: int

    def blobs(self, start: int | None = None) -> Iterator[bytes]:
        """Yield the encoded records in order, from the frame at `start` on."""
        offset = self.folders_offset if start is None else start
        for _, payload in read_frames(self.path, offset, self.notes_offset):
            yield payload

    def blobs_from(self, path: bytes) -> Iterator[bytes]:
        """Yield the encoded records from shortly before the folder `path` on, found through the index."""
        position = bisect_right([sort_key(folder) for folder, _ in self.index], sort_key(path)) - 1
        return self.blobs(self.index[position][1] if position >= 0 else None)

    def find(self, path: bytes) -> bytes | None:
        """Return the encoded record of the folder, or None."""
        wanted = sort_key(path)
        for blob in self.blobs_from(path):
            key = sort_key(record_path(blob))
            if key >= wanted:
                return blob if key == wanted else None
        return None


def read_frames(path: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the payloads of the frames between two offsets, each with the offset of the frame after it.

    The file may still lack its end.
    """
    with open(path, "rb", buffering=_READ_BYTES) as file:
        file.seek(start)
        offset = start
        while offset < end:
            payload = _read_frame(file, end)
            offset += _FRAME.size + len(payload)
            yield offset, payload


def open_stream(path: bytes) -> Stream:
    """Check the whole file and return what it holds.

    Raises:
        StreamError: it is foreign, newer, truncated or damaged; the reason says which.
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=_READ_BYTES) as file:
        stream = _load(path, file)
        if _digest_of(file, os.fstat(file.fileno()).st_size - len(END) - len(stream.digest)) != stream.digest:
            raise StreamError(path, "is damaged: its checksum does not fit its content")
        return stream


def peek_stream(path: bytes) -> Stream:
    """Return what the file holds without reading all of it, so without knowing that it is undamaged.

    Costs the same for any number of files. Raises as `open_stream`, but for damage between start and end.
    """
    with open(path, "rb") as file:
        return _load(path, file)


def _load(path: bytes, file: BinaryIO) -> Stream:
    _check_start(path, file.read(_START.size))
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _FOOTER.size, 0))
    footer = file.read(_FOOTER.size)
    if size < _START.size + _FOOTER.size or not footer.endswith(END):
        raise StreamError(path, f"is truncated or its end is damaged ({counted(size, 'byte')})")
    notes_offset, trailer_offset, digest, _ = _FOOTER.unpack(footer)
    if not _START.size <= notes_offset <= trailer_offset <= size:
        raise StreamError(path, "is damaged: its end points to places that it does not have")
    try:
        file.seek(_START.size)
        header = msgpack.unpackb(_read_frame(file, size))
        folders_offset = file.tell()
        file.seek(notes_offset)
        notes = msgpack.unpackb(_read_frame(file, size))
        file.seek(trailer_offset)
        trailer = msgpack.unpackb(_read_frame(file, size))
        return Stream(
            path=path,
            header=header,
            notes=notes,
            digest=digest,
            folder_count=trailer["folders"],
            index=tuple((folder, offset) for folder, offset in trailer["index"]),
            folders_offset=folders_offset,
            notes_offset=notes_offset,
        )
    except (ValueError, KeyError, TypeError, OverflowError, struct.error, msgpack.UnpackException) as error:
        raise StreamError(path, "is damaged: it does not read as a plan or manifest") from error


def _check_start(path: bytes, start: bytes) -> None:
    if not start or not MAGIC.startswith(start[: len(MAGIC)]):
        raise StreamError(path, "is not a plan or manifest of this program")
    if len(start) < _START.size:
        raise StreamError(path, "is truncated: it ends in its first bytes")
    _, version = _START.unpack(start)
    if version > VERSION:
        reason = f"has format version {version}; this program reads up to {VERSION}: use a newer one"
        raise NewerFormatError(path, reason)


def _digest_of(file: BinaryIO, length: int) -> bytes:
    state = xxhash.xxh3_128()
    file.seek(0)
    while length:
        block = file.read(min(_READ_BYTES, length))
        if not block:
            break
        state.update(block)
        length -= len(block)
    return state.digest()


def _read_frame(file: BinaryIO, size: int) -> bytes:
    _, length = _FRAME.unpack(file.read(_FRAME.size))
    if file.tell() + length > size:
        raise ValueError("a frame reaches beyond the end of the file")
    return file.read(length)
