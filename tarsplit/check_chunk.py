"""Check one chunk of a delivery: read the tar and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. No length and no name is taken from the tar itself. Nothing is
extracted here; a `Taker` may take the content of the files as it is read, by which a delivery is received.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import xxhash

from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Value, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, ChunkPart, Entry, entries
from qa2pack.tarsplit.chunk_reader import ChunkReader, EndedError, UnreadableError
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.store.store import Store, StoreError
from qa2pack.tarsplit.taken_before import Beginning, HasTaken, nothing_before, padding_of, taken_before
from qa2pack.tarsplit.tar.checksums import ALWAYS


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

    def entries(self) -> Iterator[Entry]:
        """Yield its entries, in their order."""
        return entries(self.part, self.project, self.folder_mtime, is_file=self.row.is_file)


@dataclass(slots=True)
class CheckResult:
    """The problems of one chunk."""

    batch: CheckBatch
    problems: list[Problem] = field(default_factory=list)


class Taker(HasTaken, Protocol):
    """Takes the files of a chunk, one after the other, while they are read.

    A small file is given with `take`, a large one with `begin`, `add` and `end`. After the first problem of a chunk
    nothing more is given to it. Its own errors end the check.
    """

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        """Take the file at `index`, if it is wanted; its content is as in the sidecar."""
        ...

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

    def taken(self, record: FolderRecord, index: int) -> None:
        pass

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        pass

    def begin(self, record: FolderRecord, index: int) -> bool:
        return False

    def add(self, block: bytes | memoryview) -> None:
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
            _compare(_FileSource(fd), batch, taker, result)
        except UnreadableError as error:
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
            _compare(file, batch, taker, result)
    except StoreError as error:
        result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
    return result


class _Source(Protocol):
    """A chunk that is read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many."""
        ...

    def seek(self, offset: int, /) -> object:
        """Go on reading at this offset."""
        ...


class _FileSource:
    """A chunk that is a file of this machine."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int) -> bytes:
        return os.read(self._fd, size)

    def seek(self, offset: int) -> None:
        os.lseek(self._fd, offset, os.SEEK_SET)


def _unreadable(batch: CheckBatch, error: OSError) -> Problem:
    return Problem(Code.UNREADABLE, batch.row.name, found=error.strerror or "")


def _compare(source: _Source, batch: CheckBatch, taker: Taker, result: CheckResult) -> None:
    """Compare what the chunk has behind what was taken before; all of it, where that cannot be right."""
    checksums = [name for name, _ in batch.row.checksums]
    nothing = nothing_before(batch.entries(), checksums)
    beginning = nothing if result.problems else taken_before(batch.entries(), checksums, taker)
    if beginning.byte_count:
        source.seek(beginning.byte_count)
    problems = _problems(source, beginning, batch, taker, result.problems)
    if beginning.byte_count and any(problem.path == batch.row.name for problem in problems):
        source.seek(0)
        problems = _problems(source, nothing, batch, taker, result.problems)
    result.problems = problems


def _problems(
    source: _Source, beginning: Beginning, batch: CheckBatch, taker: Taker, known: Iterable[Problem]
) -> list[Problem]:
    """Return the known problems and those behind the beginning: of entries, and only without any of the whole."""
    chunk = batch.row.name
    reader = ChunkReader(source.read, beginning.sums)
    compared = _Entries(reader, batch, taker, known)
    problems = compared.problems
    try:
        for entry in beginning.rest:
            compared.compare(entry)
        if any(reader.rest()) and not problems:
            problems.append(Problem(Code.GROWN, chunk, "the end of the tar", "more"))
    except EndedError:
        problems.append(Problem(Code.TRUNCATED, compared.path, "all of the entry"))
    if problems:
        return problems  # the checksums of the whole chunk differ too: no need to report them
    for name, expected in (*batch.row.checksums, (ALWAYS, batch.row.xxh128)):
        checksum = reader.sums.result(name)
        if checksum != expected:
            problems.append(Problem(Code.CHANGED, chunk, Digest(expected, name), Digest(checksum)))
    return problems


class _Entries:
    """Compares the entries of a chunk, each as it is read."""

    def __init__(self, reader: ChunkReader, batch: CheckBatch, taker: Taker, known: Iterable[Problem]) -> None:
        self.problems = list(known)
        self._reader = reader
        self._batch = batch
        self._taker = taker
        self._entry: Entry | None = None

    @property
    def path(self) -> bytes:
        """The path of the last entry that was begun, from the name of the chunk on."""
        if self._entry is None:
            return self._batch.row.name
        _, record, index = self._entry
        folder = in_tar(self._batch.project, record.path)
        path = folder if index == FOLDER_ITSELF else join(folder, record.names[index])
        return join(self._batch.row.name, path)

    def compare(self, entry: Entry) -> None:
        """Compare an entry; the content of a file is given to the taker."""
        self._entry = entry
        header, record, index = entry
        if index == FOLDER_ITSELF:
            self._compare_header(header, self._reader.read(len(header)))
            return
        start, size = len(header), record.sizes[index]
        data = self._reader.at_once(start + size + padding_of(entry))
        if data is None:
            self._compare_in_parts(entry)
            return
        content = data[start : start + size]
        self._compare_header(header, data[:start])
        self._compare_digest(record.digest(index), xxhash.xxh3_128_digest(content))
        self._compare_padding(data[start + size :])
        if not self.problems:
            self._taker.take(record, index, content)

    def _compare_in_parts(self, entry: Entry) -> None:
        """Compare a file of which the block has not all: it may be larger than memory."""
        header, record, index = entry
        self._compare_header(header, self._reader.read(len(header)))
        is_taken = not self.problems and self._taker.begin(record, index)
        found = self._reader.digest(record.sizes[index], self._taker.add if is_taken else None)
        self._compare_digest(record.digest(index), found)
        self._compare_padding(self._reader.read(padding_of(entry)))
        if is_taken and not self.problems:
            self._taker.end()

    def _compare_header(self, expected: bytes, found: bytes) -> None:
        if found != expected:
            self._differs("the entry of the manifest", "another")

    def _compare_digest(self, expected: bytes, found: bytes) -> None:
        if expected not in (found, NO_DIGEST):
            self._differs(Digest(expected.hex()), Digest(found.hex()))

    def _compare_padding(self, found: bytes) -> None:
        if found.strip(b"\0"):
            self._differs("zeros after its content")

    def _differs(self, expected: Value, found: Value = "") -> None:
        self.problems.append(Problem(Code.CHANGED, self.path, expected, found))
