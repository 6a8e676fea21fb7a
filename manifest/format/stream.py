"""Stream: the file format of plans and manifests, a checksummed sequence of frames.

    magic, version | header frame | folder frames, sorted by path | notes frame | trailer frame | footer

A frame is its kind (1 byte), the length of its payload (4 bytes, little-endian) and the payload, msgpack. The trailer
holds counts and a sparse index from folder path to offset. The footer has a fixed size and is at the end: offsets of
the notes and of the trailer, XXH3-128 of all bytes before the digest, and an end mark. So a foreign file, a file of a
newer version, a truncated file and a damaged file are distinguished, by checks in this order: mark at the start,
version, mark at the end, digest.

Nothing of a file is unpacked before its digest is compared, and no frame is taken that is greater than
its kind may be, so that a file with great holes asks for no memory. After that all frames are walked: a right digest
says nothing of who wrote them.

Reading and writing are streamed; only the notes and the index are held in memory. The writer gets an open file; the
caller makes it durable and names it.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

import msgpack
import xxhash

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record_codec import check_columns, record_path
from qa2pack.manifest.format.wire import WireError, read_value, unpack_map
from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import UnsafePathError, check_relative, shown, sort_key
from qa2pack.manifest.problem import Code, PackError, Problem

MAGIC = b"qa2pack\n"
END = b"qa2end.\n"
VERSION = 1
_START = struct.Struct("<8sH")
_FRAME = struct.Struct("<cI")
_FOOTER = struct.Struct("<QQ16s8s")
_INDEX_STEP_BYTES = 1 << 20
_READ_BYTES = 1 << 20
HEADER, FOLDER, NOTES, TRAILER = b"H", b"F", b"N", b"T"
# What they are enough for, with paths of ALMA's length:
#   header   30,000 members at least (112 to 500 bytes each)
#   folder   ten million files directly in it (92 bytes each)
#   notes    2.8 million bundled files (92 to 98 bytes each), 1.7 million left-out files or trees (155), 1.4 million
#            warnings (194), 960,000 retargeted symlinks (278), 730,000 tables (370) or 120,000 splits (2,200)
#   trailer  140 GiB of folders (120 bytes for each MiB)
# Notes are of one member: of ten million files in a thousand members, all bundled, each has 1 MB. A plan that would
# need more is refused when it is written. Read, 250 MiB of notes take 0.5 GiB (bundles) to 1.1 GiB (left out); bytes
# made to harm take up to seventy times themselves, so the limits are no greater than that.
_LIMITS = {HEADER: 16 << 20, FOLDER: 1 << 30, NOTES: 256 << 20, TRAILER: 16 << 20}


class StreamError(PackError):
    """A plan or manifest file that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it, in words.
    """

    code = Code.MANIFEST_DAMAGED
    plan_code = Code.PLAN_DAMAGED

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason
        code = self.plan_code if os.path.basename(path) == b"plan" else self.code
        self.problems = (Problem(code, path, found=f"one that {reason}"),)


class NewerFormatError(StreamError):
    """A plan or manifest in a newer format than this program can read."""

    code = Code.MANIFEST_NEWER
    plan_code = Code.PLAN_NEWER


class StreamWriter:
    """Writes one stream; without `close` it has no footer and counts as truncated."""

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
        if len(payload) > _LIMITS[kind]:
            what = f"would have a part of {counted(len(payload), 'byte')}, more than it could be read with"
            raise StreamError(os.fsencode(str(getattr(self._file, "name", ""))), what)
        self._write(_FRAME.pack(kind, len(payload)) + payload)

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)
        self._offset += len(data)


@dataclass(frozen=True, slots=True)
class _Trailer:
    """Number of folders, and the offsets of some of them."""

    folders: int
    index: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A validated stream on disk: header and notes in memory, folders read on demand."""

    path: bytes
    header: dict[str, object]
    notes: dict[str, object]
    digest: bytes
    folder_count: int
    index: tuple[tuple[bytes, int], ...]
    folders_offset: int
    notes_offset: int

    def blobs(self, start: int | None = None) -> Iterator[bytes]:
        """Yield the encoded records in order, beginning with the frame at `start`."""
        offset = self.folders_offset if start is None else start
        for _, payload in read_frames(self.path, offset, self.notes_offset):
            yield payload

    def blobs_from(self, path: bytes) -> Iterator[bytes]:
        """Yield the encoded records, beginning shortly before the folder `path`, found through the index."""
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
    """Yield the payloads of the folder frames between two offsets, each with the offset of the next frame.

    The file may be incomplete after `end`.

    Raises:
        WireError: a frame is not valid.
    """
    with _opened(path, buffering=_READ_BYTES) as file:
        file.seek(start)
        offset = start
        while offset < end:
            payload = _read_frame(file, FOLDER, end)
            offset += _FRAME.size + len(payload)
            yield offset, payload


def open_stream(path: bytes) -> Stream:
    """Validate the whole file and return the stream.

    Raises:
        StreamError: it is foreign, newer, truncated or damaged; the reason says which.
        OSError: it cannot be read.
    """
    stream = peek_stream(path)
    check_folders(stream)
    return stream


def peek_stream(path: bytes) -> Stream:
    """Return what the file holds without looking at its folders; only the bytes are read and summed.

    Raises as `open_stream`, but for folders that make no sense under a right checksum.
    """
    with _opened(path, buffering=_READ_BYTES) as file:
        return _load(path, file, _checked_footer(path, file))


def unhashed_stream(path: bytes) -> Stream:
    """Return what the file says that it holds; its bytes are not compared with its checksum.

    For a file that this command has hashed already, perhaps in another process, or of which only the header is used
    and a wrong one does no harm.

    Raises as `peek_stream`, but for damage that only the checksum shows.
    """
    with _opened(path) as file:
        return _load(path, file, _read_footer(path, file))


@dataclass(frozen=True, slots=True)
class _Footer:
    """The footer of a stream, and the size of the file in bytes."""

    size: int
    notes_offset: int
    trailer_offset: int
    digest: bytes


def _checked_footer(path: bytes, file: BinaryIO) -> _Footer:
    """Return the end of a file whose checksum fits its content; before that nothing of it is unpacked."""
    footer = _read_footer(path, file)
    if _digest_of(file, footer.size - len(END) - len(footer.digest)) != footer.digest:
        raise StreamError(path, "is damaged: its checksum does not fit its content")
    return footer


def _read_footer(path: bytes, file: BinaryIO) -> _Footer:
    _check_start(path, file.read(_START.size))
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _FOOTER.size, 0))
    footer = file.read(_FOOTER.size)
    if size < _START.size + _FOOTER.size or not footer.endswith(END):
        raise StreamError(path, f"is truncated or its end is damaged ({counted(size, 'byte')})")
    notes_offset, trailer_offset, digest, _ = _FOOTER.unpack(footer)
    if not _START.size <= notes_offset <= trailer_offset <= size - _FOOTER.size:
        raise StreamError(path, "is damaged: its end points to places that it does not have")
    return _Footer(size, notes_offset, trailer_offset, digest)


def _opened(path: bytes, *, buffering: int = -1) -> BinaryIO:
    """Open a stream's file; a symlink, pipe or other special file is refused."""
    try:
        return opened_control(path, buffering=buffering)
    except ControlFileError as error:
        raise StreamError(path, f"is {error.strerror}") from error


def _load(path: bytes, file: BinaryIO, footer: _Footer) -> Stream:
    try:
        file.seek(_START.size)
        header = unpack_map(_read_frame(file, HEADER, footer.notes_offset))
        folders_offset = file.tell()
        file.seek(footer.notes_offset)
        notes = unpack_map(_read_frame(file, NOTES, footer.trailer_offset))
        file.seek(footer.trailer_offset)
        trailer = read_value(_Trailer, unpack_map(_read_frame(file, TRAILER, footer.size - _FOOTER.size)))
    except ValueError as error:
        raise StreamError(path, "is damaged: it does not read as a plan or manifest") from error
    return Stream(
        path=path,
        header=header,
        notes=notes,
        digest=footer.digest,
        folder_count=trailer.folders,
        index=trailer.index,
        folders_offset=folders_offset,
        notes_offset=footer.notes_offset,
    )


def check_folders(stream: Stream) -> None:
    """Check that all frames are records, sorted, and at the offsets of the index; their paths are not checked.

    Raises:
        StreamError: they are not.
    """
    try:
        _check_folders(stream)
    except WireError as error:
        raise StreamError(stream.path, f"is damaged: {error}") from error


def _check_folders(stream: Stream) -> None:
    start, index = stream.folders_offset, iter((*stream.index, (b"", -1)))
    place, count, before = next(index), 0, None
    for end, blob in read_frames(stream.path, start, stream.notes_offset):
        check_columns(blob)
        folder = record_path(blob)
        key = sort_key(folder)
        if before is not None and key <= before and _is_safe(folder):
            raise WireError("its folders are not sorted")
        if place[1] == start:
            if place[0] != folder:
                raise WireError("its index does not fit its folders")
            place = next(index)
        start, count, before = end, count + 1, key
    if count != stream.folder_count or place[1] != -1:
        raise WireError("its index does not fit its folders")


def _is_safe(folder: bytes) -> bool:
    """Return whether a folder path is below the member; one that is not is reported where the path is used."""
    try:
        check_relative(folder)
    except UnsafePathError:
        return False
    return True


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


def _read_frame(file: BinaryIO, kind: bytes, end: int) -> bytes:
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        raise WireError("a frame is cut short")
    found, length = _FRAME.unpack(head)
    if found != kind or length > _LIMITS[kind] or file.tell() + length > end:
        raise WireError("a frame is of another kind than it should be, or too long")
    payload = file.read(length)
    if len(payload) != length:
        raise WireError("a frame is cut short")
    return payload
