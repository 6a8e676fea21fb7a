"""Checksums (md5, sha256, ...) of the files of a member: each file is read once for all algorithms.

The content is also compared with the manifest, so that a checksum is only made of what was packaged: a checksum of a
damaged file would confirm the damage for ever. Read-only.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import field

import xxhash

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, size_problem, unreadable
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Digest
from qa2pack.manifest.table_lock import is_table_lock

_BATCH_BYTES = 64 << 20  # md5 takes some tenths of a second
_BATCH_FILES = 1000
_FOLDER_COST_BYTES = 4 << 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Some files of one folder: those of the encoded record from `start` to before `end`."""

    blob: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SumBatch:
    """Files to be read.

    Attributes:
        number: position of the batch in the order of the manifest.
        root: absolute path of the member.
        algorithms: names of `hashlib`.
    """

    number: int
    root: bytes
    pieces: tuple[Piece, ...]
    algorithms: tuple[str, ...]


@dataclass(slots=True)
class SumResult:
    """Result of a batch.

    Attributes:
        sums: for each file, in order, its path relative to the member and the sums in the order of the algorithms.
        problems: files that differ from the manifest; they have no sums.
    """

    number: int
    sums: list[tuple[bytes, tuple[str, ...]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    byte_count: int = 0


def sum_files(
    root: bytes, blobs: Iterable[bytes], algorithms: tuple[str, ...], *, engine: Engine, progress: Progress
) -> Iterator[SumResult]:
    """Read every file of the records and yield the sums; batches come in any order.

    Args:
        root: absolute path of the member, or of a copy of it.
        blobs: encoded records of the member's manifest.
    """
    for result in run_streamed(engine, sum_batch, _batches(root, blobs, algorithms)):
        progress.advance(file_count=len(result.sums), byte_count=result.byte_count)
        yield result


def _batches(root: bytes, blobs: Iterable[bytes], algorithms: tuple[str, ...]) -> Iterator[SumBatch]:
    pieces: list[Piece] = []
    number = files = size = 0
    for piece, piece_bytes in (piece for blob in blobs for piece in _pieces(blob)):
        if pieces and (size + piece_bytes > _BATCH_BYTES or files + piece.end - piece.start > _BATCH_FILES):
            yield SumBatch(number, root, tuple(pieces), algorithms)
            pieces, files, size, number = [], 0, 0, number + 1
        pieces.append(piece)
        files += piece.end - piece.start
        size += piece_bytes + _FOLDER_COST_BYTES
    if pieces:
        yield SumBatch(number, root, tuple(pieces), algorithms)


def _pieces(blob: bytes) -> Iterator[tuple[Piece, int]]:
    """Cut a folder into pieces of at most one batch, or one bigger file; yield each with its size in bytes."""
    sizes = decode_record(blob).sizes
    start = size = 0
    for index, file_bytes in enumerate(sizes):
        if index > start and (size + file_bytes > _BATCH_BYTES or index - start >= _BATCH_FILES):
            yield Piece(blob, start, index), size
            start, size = index, 0
        size += file_bytes
    if len(sizes) > start:
        yield Piece(blob, start, len(sizes)), size


def sum_batch(batch: SumBatch) -> SumResult:
    """Read the files of one batch."""
    result = SumResult(batch.number)
    for piece in batch.pieces:
        record = decode_record(piece.blob)
        try:
            with opened_beneath(batch.root, record.path) as fd:
                for index in range(piece.start, piece.end):
                    _sum_file(batch, record, index, fd, result)
        except OSError as error:
            result.problems.append(_unreadable(record.path, error))
    return result


def _sum_file(batch: SumBatch, record: FolderRecord, index: int, dir_fd: int, result: SumResult) -> None:
    path = join(record.path, record.names[index])
    if record.actions[index] == Action.DUMMY:
        return  # a placeholder has no content
    try:
        with opened_file(record.names[index], dir_fd=dir_fd) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                result.problems.append(Problem(Code.WRONG_TYPE, path, "a file"))
                return
            size, digest, sums = _sums_of(fd, batch.algorithms)
    except OSError as error:
        result.problems.append(_unreadable(path, error))
        return
    result.byte_count += size
    expected = record.sizes[index]
    if is_table_lock(path):
        result.sums.append((path, sums))
    elif size != expected:
        result.problems.append(size_problem(path, expected, size))
    elif record.digest(index) not in (digest, NO_DIGEST):
        result.problems.append(Problem(Code.CHANGED, path, Digest(record.digest(index).hex()), Digest(digest.hex())))
    else:
        result.sums.append((path, sums))


def _sums_of(fd: int, algorithms: tuple[str, ...]) -> tuple[int, bytes, tuple[str, ...]]:
    """Return size, XXH3-128 and sums of all that is read from the open file."""
    from hashlib import new  # loads OpenSSL, which few commands need

    states = [new(name, usedforsecurity=False) for name in algorithms]
    digest = xxhash.xxh3_128()
    size = 0
    for block in blocks_of(fd):
        digest.update(block)
        for state in states:
            state.update(block)
        size += len(block)
    return size, digest.digest(), tuple(state.hexdigest() for state in states)


def _unreadable(path: bytes, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(Code.MISSING, path)
    return unreadable(path, error)
