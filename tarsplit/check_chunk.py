"""Check one chunk of a delivery: read the tar and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. Nothing is extracted, and no length is taken from the tar itself.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import xxhash

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES
from qa2pack.manifest.format.record import NO_DIGEST
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
from qa2pack.tarsplit.tar.checksums import ALWAYS, Sums


@dataclass(frozen=True, slots=True)
class CheckBatch:
    """One chunk to check."""

    path: bytes
    row: ChunkRow
    part: ChunkPart
    project: bytes
    folder_mtime: int


@dataclass(slots=True)
class CheckResult:
    """The problems of one chunk."""

    batch: CheckBatch
    problems: list[Problem] = field(default_factory=list)


def check_chunk(batch: CheckBatch) -> CheckResult:
    """Read one chunk and compare every entry."""
    result = CheckResult(batch)
    try:
        with opened_file(batch.path) as fd:
            size = os.fstat(fd).st_size
            if size != batch.row.byte_count:
                result.problems.append(size_problem(batch.row.name, batch.row.byte_count, size))
            _compare(_Reader(fd, [name for name, _ in batch.row.checksums]), batch, result)
    except FileNotFoundError:
        result.problems.append(Problem(Code.MISSING, batch.row.name))
    except OSError as error:
        result.problems.append(Problem(Code.UNREADABLE, batch.row.name, found=error.strerror or ""))
    return result


class _EndedError(Exception):
    """The chunk is shorter than it should be."""


class _Reader:
    """Reads a chunk once from start to end and computes its checksums."""

    def __init__(self, fd: int, checksums: Iterable[str]) -> None:
        self.sums = Sums(checksums)
        self._file = os.fdopen(fd, "rb", buffering=BUFFER_BYTES, closefd=False)
        self._pace = current_pace()
        self._meter = current_meter()

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            _EndedError: the chunk ends before.
        """
        data = self._file.read(size)
        self.sums.update(data)
        self._meter.add(size)
        if self._pace:
            self._pace.take(size)
        if len(data) != size:
            raise _EndedError
        return data

    def digest(self, size: int) -> bytes:
        """Return the digest of the next bytes."""
        state = xxhash.xxh3_128()
        while size:
            block = self.read(min(size, BUFFER_BYTES))
            state.update(block)
            size -= len(block)
        return state.digest()

    def rest(self) -> bytes:
        """Return the bytes after the last entry, up to one buffer: longer than the end of any tar."""
        data = self._file.read(BUFFER_BYTES)
        self.sums.update(data)
        return data


def _compare(reader: _Reader, batch: CheckBatch, result: CheckResult) -> None:
    chunk = batch.row.name
    try:
        for path, header, size, digest in _entries(batch):
            if reader.read(len(header)) != header:
                result.problems.append(
                    Problem(Code.CHANGED, join(chunk, path), "the entry of the manifest", "another")
                )
            found = reader.digest(size)
            if digest not in (found, NO_DIGEST):
                result.problems.append(
                    Problem(Code.CHANGED, join(chunk, path), Digest(digest.hex()), Digest(found.hex()))
                )
            if not batch.row.is_file and any(reader.read(-size % BLOCK_BYTES)):
                result.problems.append(Problem(Code.CHANGED, join(chunk, path), "zeros after its content"))
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


def _entries(batch: CheckBatch) -> Iterator[tuple[bytes, bytes, int, bytes]]:
    """Yield path, header, size of the content and its digest of each entry."""
    for share in shares(batch.part):
        record = share.record
        if share.has_folder:
            header = header_of_folder(batch.project, record, batch.folder_mtime)
            yield in_tar(batch.project, record.path), header, 0, NO_DIGEST
        folder = in_tar(batch.project, record.path)
        for index, header in zip(share.files, headers_of_files(batch.project, share), strict=True):
            in_chunk = b"" if batch.row.is_file else header
            yield join(folder, record.names[index]), in_chunk, record.sizes[index], record.digest(index)
