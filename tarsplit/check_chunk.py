"""Check one chunk of a delivery: read the tar and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. No length and no name is taken from the tar itself. Nothing is
extracted here; a `Taker` may take the content of the files as it is read, by which a delivery is received.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import xxhash

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Value, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.chunk_entries import ChunkPart, header_of_folder, headers_of_files, shares
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.tar.checksums import ALWAYS, Sums


@dataclass(frozen=True, slots=True)
class CheckBatch:
    """One chunk to check."""

    place: Place
    row: ChunkRow
    part: ChunkPart
    project: bytes
    folder_mtime: int

    @property
    def path(self) -> bytes:
        """Where the chunk is."""
        return join(self.place.path, self.row.name)


@dataclass(slots=True)
class CheckResult:
    """The problems of one chunk."""

    batch: CheckBatch
    problems: list[Problem] = field(default_factory=list)


class Taker(Protocol):
    """Takes the files of a chunk, one after the other, while they are read.

    After the first problem of a chunk nothing more is given to it. Its own errors end the check.
    """

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Begin the file at `index`; False if it is not wanted, and then the two others are not called."""
        ...

    def add(self, block: bytes | memoryview) -> None:
        """Take the next bytes of its content."""
        ...

    def end(self) -> None:
        """End it: all its bytes were given, and they are as in the sidecar."""
        ...


class _TakesNothing:
    """The taker of a check alone."""

    def begin(self, record: FolderRecord, index: int) -> bool:
        return False

    def add(self, block: bytes | memoryview) -> None:
        pass

    def end(self) -> None:
        pass


_NOBODY = _TakesNothing()


def check_chunk(batch: CheckBatch, taker: Taker = _NOBODY) -> CheckResult:
    """Read one chunk and compare every entry, and give the content of its files to a taker."""
    result, name = CheckResult(batch), batch.row.name
    try:
        opened = batch.place.opened(name)
    except FileNotFoundError:
        result.problems.append(Problem(Code.MISSING, name))
        return result
    except PlaceError as error:
        result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
        return result
    with opened as file:
        if file.byte_count != batch.row.byte_count:
            result.problems.append(size_problem(name, batch.row.byte_count, file.byte_count))
        try:
            _compare(_Reader(file, [name for name, _ in batch.row.checksums]), batch, taker, result)
        except PlaceError as error:
            result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
    return result


class _EndedError(Exception):
    """The chunk is shorter than it should be."""


class _Reader:
    """Reads a chunk once from start to end, a block at a time, and computes its checksums."""

    def __init__(self, file: OpenedFile, checksums: Iterable[str]) -> None:
        self.sums = Sums(checksums)
        self._file = file
        self._block = b""
        self._place = 0  # in the block
        self._pace = current_pace()
        self._meter = current_meter()

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            _EndedError: the chunk ends before.
            PlaceError: the place fails.
        """
        end = self._place + size
        if end <= len(self._block):  # nearly always: no call for each
            data = self._block[self._place : end]
            self._place = end
            return data
        return b"".join(self._parts(size))

    def digest(self, size: int, take: Callable[[bytes | memoryview], None] | None) -> bytes:
        """Return the digest of the next bytes, and give them to `take`; raises as `read`."""
        if self._place + size <= len(self._block):  # a small file
            data = self.read(size)
            if take:
                take(data)
            return xxhash.xxh3_128_digest(data)
        state = xxhash.xxh3_128()
        for part in self._parts(size):
            state.update(part)
            if take:
                take(part)
        return state.digest()

    def rest(self) -> bytes:
        """Return the bytes after the last entry, up to a block and more: longer than the end of any tar."""
        rest = self._block[self._place :]
        self._next()
        return rest + self._block

    def _parts(self, size: int) -> Iterator[memoryview]:
        while size:
            if self._place == len(self._block):
                self._next()
                if not self._block:
                    raise _EndedError
            part = memoryview(self._block)[self._place : self._place + size]
            self._place += len(part)
            size -= len(part)
            yield part

    def _next(self) -> None:
        self._block = self._file.read(BUFFER_BYTES)
        self._place = 0
        self.sums.update(self._block)
        self._meter.add(len(self._block))
        if self._pace:
            self._pace.take(len(self._block))


def _compare(reader: _Reader, batch: CheckBatch, taker: Taker, result: CheckResult) -> None:
    chunk = batch.row.name
    entry = _Entries(reader, chunk, taker, result.problems)
    try:
        for share in shares(batch.part):
            folder = in_tar(batch.project, share.record.path)
            if share.has_folder:
                entry.compare_folder(folder, header_of_folder(batch.project, share.record, batch.folder_mtime))
            for index, header in zip(share.files, headers_of_files(batch.project, share), strict=True):
                entry.compare_file(folder, b"" if batch.row.is_file else header, share.record, index)
        if any(reader.rest()) and not result.problems:
            result.problems.append(Problem(Code.GROWN, chunk, "the end of the tar", "more"))
    except _EndedError:
        result.problems.append(Problem(Code.TRUNCATED, entry.path, "all of the entry"))
        return
    if result.problems:
        return  # the checksums of the whole chunk differ too: no need to report them
    for name, expected in (*batch.row.checksums, (ALWAYS, batch.row.xxh128)):
        checksum = reader.sums.result(name)
        if checksum != expected:
            result.problems.append(Problem(Code.CHANGED, chunk, Digest(expected, name), Digest(checksum)))


class _Entries:
    """Compares the entries of a chunk, each as it is read."""

    def __init__(self, reader: _Reader, chunk: bytes, taker: Taker, problems: list[Problem]) -> None:
        self._reader = reader
        self._chunk = chunk
        self._taker = taker
        self._problems = problems
        self._folder = self._name = b""

    @property
    def path(self) -> bytes:
        """The path of the last entry that was begun, from the name of the chunk on."""
        return join(self._chunk, join(self._folder, self._name) if self._name else self._folder)

    def compare_folder(self, folder: bytes, header: bytes) -> None:
        self._folder, self._name = folder, b""
        if self._reader.read(len(header)) != header:
            self._differs("the entry of the manifest", "another")

    def compare_file(self, folder: bytes, header: bytes, record: FolderRecord, index: int) -> None:
        """Compare a file; where it is the whole chunk it has no header, and no padding."""
        self._folder, self._name = folder, record.names[index]
        reader, size, digest = self._reader, record.sizes[index], record.digest(index)
        if reader.read(len(header)) != header:
            self._differs("the entry of the manifest", "another")
        is_taken = not self._problems and self._taker.begin(record, index)
        found = reader.digest(size, self._taker.add if is_taken else None)
        if digest not in (found, NO_DIGEST):
            self._differs(Digest(digest.hex()), Digest(found.hex()))
        if header and reader.read(-size % BLOCK_BYTES).strip(b"\0"):
            self._differs("zeros after its content")
        if is_taken and not self._problems:
            self._taker.end()

    def _differs(self, expected: Value, found: Value = "") -> None:
        self._problems.append(Problem(Code.CHANGED, self.path, expected, found))
