"""Check one chunk of a delivery: read the tar and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. No length and no name is taken from the tar itself. Nothing is
extracted here; a `Taker` may take the content of the files as it is read, by which a delivery is received.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

import xxhash

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.chunk_entries import ChunkPart, header_of_folder, headers_of_files, shares
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.store.store import Store, StoreError
from qa2pack.tarsplit.tar.checksums import ALWAYS, Sums


@dataclass(frozen=True, slots=True)
class CheckBatch:
    """One chunk to check.

    Attributes:
        store: where it is, by the last part of its path; None for a file of this machine.
    """

    path: bytes
    row: ChunkRow
    part: ChunkPart
    project: bytes
    folder_mtime: int
    store: Store | None = None


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

    def add(self, block: bytes) -> None:
        """Take the next bytes of its content."""
        ...

    def end(self) -> None:
        """End it: all its bytes were given, and they are as in the sidecar."""
        ...


class _TakesNothing:
    """The taker of a check alone."""

    def begin(self, record: FolderRecord, index: int) -> bool:
        return False

    def add(self, block: bytes) -> None:
        pass

    def end(self) -> None:
        pass


_NOBODY = _TakesNothing()


def check_chunk(batch: CheckBatch, taker: Taker = _NOBODY) -> CheckResult:
    """Read one chunk and compare every entry, and give the content of its files to a taker."""
    result = CheckResult(batch)
    if batch.store:
        return _check_in_store(batch, batch.store, taker, result)
    try:
        opened = opened_file(batch.path)
    except FileNotFoundError:
        result.problems.append(Problem(Code.MISSING, batch.row.name))
        return result
    except OSError as error:
        result.problems.append(_unreadable(batch, error))
        return result
    with opened as fd:
        size = os.fstat(fd).st_size
        if size != batch.row.byte_count:
            result.problems.append(size_problem(batch.row.name, batch.row.byte_count, size))
        try:
            file = os.fdopen(fd, "rb", buffering=BUFFER_BYTES, closefd=False)
            _compare(_Reader(file, [name for name, _ in batch.row.checksums]), batch, taker, result)
        except _UnreadableError as error:
            result.problems.append(_unreadable(batch, error.error))
    return result


def _check_in_store(batch: CheckBatch, store: Store, taker: Taker, result: CheckResult) -> CheckResult:
    name = batch.row.name
    try:
        seen = store.seen(name)
        if seen is None:
            result.problems.append(Problem(Code.MISSING, name))
            return result
        if seen[0] != batch.row.byte_count:
            result.problems.append(size_problem(name, batch.row.byte_count, seen[0]))
        with store.opened(name) as file:
            _compare(_Reader(file, [name for name, _ in batch.row.checksums]), batch, taker, result)
    except _UnreadableError as error:
        result.problems.append(_unreadable(batch, error.error))
    except StoreError as error:
        result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
    return result


def _unreadable(batch: CheckBatch, error: OSError) -> Problem:
    return Problem(Code.UNREADABLE, batch.row.name, found=error.strerror or "")


class _EndedError(Exception):
    """The chunk is shorter than it should be."""


class _UnreadableError(Exception):
    """The chunk cannot be read, as opposed to an error of the taker, which may be of another disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class _Reader:
    """Reads a chunk once from start to end and computes its checksums."""

    def __init__(self, file: IO[bytes], checksums: Iterable[str]) -> None:
        self.sums = Sums(checksums)
        self._file = file
        self._pace = current_pace()
        self._meter = current_meter()

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            _EndedError: the chunk ends before.
            _UnreadableError: the disk fails.
        """
        data = self._taken(size)
        self._meter.add(size)
        if self._pace:
            self._pace.take(size)
        if len(data) != size:
            raise _EndedError
        return data

    def digest(self, size: int, take: Callable[[bytes], None] | None = None) -> bytes:
        """Return the digest of the next bytes, and give them to `take`."""
        state = xxhash.xxh3_128()
        while size:
            block = self.read(min(size, BUFFER_BYTES))
            state.update(block)
            if take:
                take(block)
            size -= len(block)
        return state.digest()

    def rest(self) -> bytes:
        """Return the bytes after the last entry, up to one buffer: longer than the end of any tar."""
        return self._taken(BUFFER_BYTES)

    def _taken(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise _UnreadableError(error) from error
        self.sums.update(data)
        return data


def _compare(reader: _Reader, batch: CheckBatch, taker: Taker, result: CheckResult) -> None:
    chunk = batch.row.name
    path = b""
    try:
        for entry in _entries(batch):
            path = entry.path
            _compare_entry(reader, entry, join(chunk, path), taker, result)
        if any(reader.rest()) and not result.problems:
            result.problems.append(Problem(Code.GROWN, chunk, "the end of the tar", "more"))
    except _EndedError:
        result.problems.append(Problem(Code.TRUNCATED, join(chunk, path), "all of the entry"))
        return
    if result.problems:
        return  # the checksums of the whole chunk differ too: no need to report them
    for name, expected in (*batch.row.checksums, (ALWAYS, batch.row.xxh128)):
        checksum = reader.sums.result(name)
        if checksum != expected:
            result.problems.append(Problem(Code.CHANGED, chunk, Digest(expected, name), Digest(checksum)))


def _compare_entry(reader: _Reader, entry: "_Entry", shown_path: bytes, taker: Taker, result: CheckResult) -> None:
    problems = result.problems
    if reader.read(len(entry.header)) != entry.header:
        problems.append(Problem(Code.CHANGED, shown_path, "the entry of the manifest", "another"))
    if entry.index is None:
        return
    is_taken = not problems and taker.begin(entry.record, entry.index)
    size, digest = entry.record.sizes[entry.index], entry.record.digest(entry.index)
    found = reader.digest(size, taker.add if is_taken else None)
    if digest not in (found, NO_DIGEST):
        problems.append(Problem(Code.CHANGED, shown_path, Digest(digest.hex()), Digest(found.hex())))
    if entry.header and any(reader.read(-size % BLOCK_BYTES)):
        problems.append(Problem(Code.CHANGED, shown_path, "zeros after its content"))
    if is_taken and not problems:
        taker.end()


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a chunk as it must be.

    Attributes:
        path: in the tar.
        header: empty in a chunk that is the file itself.
        index: of the file in the record; None for the folder itself.
    """

    path: bytes
    header: bytes
    record: FolderRecord
    index: int | None


def _entries(batch: CheckBatch) -> Iterator[_Entry]:
    """Yield the entries of the chunk, in their order."""
    for share in shares(batch.part):
        record = share.record
        folder = in_tar(batch.project, record.path)
        if share.has_folder:
            yield _Entry(folder, header_of_folder(batch.project, record, batch.folder_mtime), record, None)
        for index, header in zip(share.files, headers_of_files(batch.project, share), strict=True):
            in_chunk = b"" if batch.row.is_file else header
            yield _Entry(join(folder, record.names[index]), in_chunk, record, index)
