"""Verify a member: compares the files on disk with the manifest; every difference is a problem with its path.

It finds files that were changed, truncated, grown or removed, unexpected files and folders, and anything of another
type than recorded, such as a symlink in place of a file. Of a `table.lock` only the number of rows is compared. No
symlink is followed. Read-only.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from itertools import islice

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.record import DIGEST_BYTES, NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, grouped_blobs
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.fs.digest import (
    BIG_FILE_BYTES,
    FileGrewOrShrankError,
    digest_of_fd,
    digests_of_fd,
    digests_of_files,
)
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.safe_open import listed, opened_beneath, opened_file
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, size_problem, unreadable
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Digest
from qa2pack.manifest.table_lock import is_table_lock, row_count_of, rows_of_digest
from qa2pack.manifest.verify.sum_list import NO_SUM

_BATCH_SECONDS = 1.0
_AT_ONCE_FILES = 1000  # between looks at the clock, where many are looked at at once


@dataclass(frozen=True, slots=True)
class FolderBatch:
    """Encoded records to compare with the folders below `root`.

    Attributes:
        first: index of the file in the first record with which to begin.
        sums: of each record the sha256 of its files, one after the other; none: they are not compared.
        reads_touched: see `verify_tree`.
    """

    root: bytes
    blobs: tuple[bytes, ...]
    is_quick: bool
    first: int = 0
    sums: tuple[bytes, ...] = ()
    reads_touched: bool = False

    def part(self, start: int, end: int, first: int = 0) -> "FolderBatch":
        """Return the batch of some records, from a file of the first of them on."""
        return replace(self, blobs=self.blobs[start:end], first=first, sums=self.sums[start:end])

    def only(self, number: int) -> "FolderBatch":
        """Return the batch of one record; without sums they are not looked at, and it is the batch itself."""
        return self.part(number, number + 1) if self.sums else self

    def sha256(self, index: int) -> bytes:
        """Return the sha256 of a file of the first record; empty if it has none that is compared."""
        found = self.sums[0][index * len(NO_SUM) : (index + 1) * len(NO_SUM)] if self.sums else NO_SUM
        return b"" if found == NO_SUM else found


@dataclass(frozen=True, slots=True)
class BigFileBatch:
    """One big file of the right size whose content is still to be compared; by sha256, too, unless it is empty."""

    root: bytes
    path: bytes
    size: int
    digest: bytes
    sha256: bytes = b""


@dataclass(slots=True)
class VerifyResult:
    """Result of a batch."""

    problems: list[Problem] = field(default_factory=list)
    more: list[FolderBatch | BigFileBatch] = field(default_factory=list)
    file_count: int = 0
    byte_count: int = 0

    def add(self, other: "VerifyResult") -> None:
        """Add the result of other files of the same batch."""
        self.problems += other.problems
        self.more += other.more
        self.file_count += other.file_count
        self.byte_count += other.byte_count


def verify_tree(
    root: bytes,
    blobs: Iterable[bytes],
    *,
    is_quick: bool,
    engine: Engine,
    progress: Progress,
    sums: Iterator[bytes] | None = None,
    reads_touched: bool = False,
) -> Iterator[Problem]:
    """Yield a problem, its path relative to `root`, for each difference from the records.

    Args:
        root: absolute path of the member.
        blobs: encoded records of the member's manifest.
        is_quick: compare names, types and sizes only, read nothing.
        sums: of each record the sha256 of its files, one after the other, which is then compared as well.
        reads_touched: if quick, read nevertheless what has another mtime than recorded.
    """
    batches = _batches(root, blobs, sums, is_quick=is_quick, reads_touched=reads_touched)
    for result in run_streamed(engine, verify_batch, batches, lambda done: done.more):
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)
        yield from result.problems


def _batches(
    root: bytes, blobs: Iterable[bytes], sums: Iterator[bytes] | None, *, is_quick: bool, reads_touched: bool
) -> Iterator[FolderBatch | BigFileBatch]:
    for group in grouped_blobs(blobs):
        own_sums = tuple(islice(sums, len(group))) if sums else ()
        yield FolderBatch(root, group, is_quick, sums=own_sums, reads_touched=reads_touched)
    if sums:
        next(sums, None)  # whether the list ends where the records do


def verify_batch(batch: FolderBatch | BigFileBatch) -> VerifyResult:
    """Compare one batch, or as many folders as take a second, so that progress and stop requests are served."""
    result = VerifyResult()
    match batch:
        case FolderBatch():
            _verify_folders(batch, result)
        case BigFileBatch():
            _verify_big_file(batch, result)
    return result


def _verify_folders(batch: FolderBatch, result: VerifyResult) -> None:
    until = time.monotonic() + _BATCH_SECONDS
    count, step = len(batch.blobs), at_once()
    for start in range(0, count, step):
        if start and time.monotonic() > until:
            result.more.append(batch.part(start, count))
            return
        together = range(start, min(start + step, count))
        _each_in_part(lambda number, part: _verify_record(batch, number, until, part), together, result)


def _verify_record(batch: FolderBatch, number: int, until: float, result: VerifyResult) -> None:
    """Compare the folder of one record, or leave the rest of its files when the time is up."""
    first = 0 if number else batch.first
    try:
        record = decode_record(batch.blobs[number])
    except ValueError as error:  # the checksum of its file is correct, so it was not refused before
        found = f"a folder's record that does not make sense ({error})"
        result.problems.append(Problem(Code.MANIFEST_DAMAGED, b"", found=found))
        return
    first = _verify_folder(batch.only(number), record, first, until, result)
    if first < len(record.names):
        result.more.append(batch.part(number, number + 1, first))


def _verify_folder(batch: FolderBatch, record: FolderRecord, first: int, until: float, result: VerifyResult) -> int:
    """Compare files from index `first` on; return the index to continue with, which may be past the last."""
    count = len(record.names)
    done = first
    try:
        with opened_beneath(batch.root, record.path) as fd:
            found = dict(listed(fd))
            while done < count and (done == first or time.monotonic() <= until):
                doubtful, done = _read_many(batch, record, fd, done, until, result)
                _verify_files(batch, record, doubtful, found, fd, result)
    except OSError as error:
        result.problems.append(_folder_problem(batch.root, record.path, error))
        return count
    if done < count:
        return done
    for name in sorted(found.keys() - set(record.names) - set(record.folders)):
        is_folder = found[name].is_dir(follow_symlinks=False)
        path = join(record.path, name)
        result.problems.append(Problem(Code.EXTRA_FOLDER if is_folder else Code.EXTRA, path))
    return count


def _read_many(
    batch: FolderBatch, record: FolderRecord, fd: int, start: int, until: float, result: VerifyResult
) -> tuple[Sequence[int], int]:
    """Return the indexes of files to check alone, and the index to continue with; count the others as correct."""
    count = len(record.names)
    if at_once() > 1:
        end = min(start + _AT_ONCE_FILES, count)
        return range(start, end), end
    if batch.is_quick or Action.DUMMY in record.actions:
        return range(start, count), count
    if batch.sums:
        return (start,), start + 1
    stats, digests = digests_of_files(fd, record.names, start, until=until)
    end = start + len(stats)
    sizes = [status.st_size for status in stats]
    doubtful: list[int] = []
    if b"".join(digests) != record.digests[start * DIGEST_BYTES : end * DIGEST_BYTES]:
        doubtful = [i for i, digest in enumerate(digests, start) if digest != record.digest(i)]
    result.file_count += len(stats) - len(doubtful)
    result.byte_count += sum(sizes) - sum(sizes[i - start] for i in doubtful)
    if end < count:
        doubtful.append(end)  # a special case, or the time was up: it is checked alone
    return doubtful, end + 1


def _verify_files(
    batch: FolderBatch,
    record: FolderRecord,
    indexes: Sequence[int],
    found: "dict[bytes, os.DirEntry[str]]",
    fd: int,
    result: VerifyResult,
) -> None:
    def verify(index: int, part: VerifyResult) -> None:
        _verify_file(batch, record, index, found.get(record.names[index]), fd, part)

    _each_in_part(verify, indexes, result)


def _each_in_part(work: Callable[[int, VerifyResult], None], indexes: Sequence[int], result: VerifyResult) -> None:
    """Do the work for each index; several at once with a part of the result each."""
    if at_once() == 1:
        for index in indexes:
            work(index, result)
        return
    parts = {index: VerifyResult() for index in indexes}
    each(lambda index: work(index, parts[index]), indexes)
    for part in parts.values():
        result.add(part)


def _verify_file(
    batch: FolderBatch,
    record: FolderRecord,
    index: int,
    entry: "os.DirEntry[str] | None",
    fd: int,
    result: VerifyResult,
) -> None:
    path = join(record.path, record.names[index])
    try:
        if entry is None:
            result.problems.append(Problem(Code.MISSING, path))
        elif not entry.is_file(follow_symlinks=False):
            kind = kind_in_words(entry.stat(follow_symlinks=False).st_mode)
            result.problems.append(Problem(Code.WRONG_TYPE, path, "a file", kind))
        elif is_table_lock(path):
            if not batch.is_quick:
                _compare_row_counts(path, record.digest(index), fd, result)
        else:
            size = 0 if record.actions[index] == Action.DUMMY else record.sizes[index]
            digest, sha256 = record.digest(index), batch.sha256(index)
            is_unread = batch.is_quick and not (batch.reads_touched and _is_touched(record, index, entry))
            if is_unread or size == 0 or (digest == NO_DIGEST and not sha256):
                _compare_sizes(path, size, entry.stat(follow_symlinks=False).st_size, result)
            else:
                file = BigFileBatch(batch.root, path, size, digest, sha256)
                _compare_content(file, record.names[index], fd, result)
    except OSError as error:
        result.problems.append(unreadable(path, error))
    result.file_count += 1


def _is_touched(record: FolderRecord, index: int, entry: "os.DirEntry[str]") -> bool:
    return entry.stat(follow_symlinks=False).st_mtime_ns != record.mtimes[index]


def _compare_row_counts(lock: bytes, planned: bytes, dir_fd: int, result: VerifyResult) -> None:
    """Compare the number of rows that a table's lock tells, which is all of it that is content."""
    expected = rows_of_digest(planned)
    if expected is None:
        return
    found = row_count_of(read_lock(os.path.basename(lock), dir_fd=dir_fd))
    if found != expected:
        in_words = "no number of rows" if found is None else counted(found, "row")
        result.problems.append(Problem(Code.CHANGED, lock, counted(expected, "row"), in_words))


def _compare_content(file: BigFileBatch, name: bytes, dir_fd: int, result: VerifyResult) -> None:
    with opened_file(name, dir_fd=dir_fd) as fd:
        found_size = os.fstat(fd).st_size
        if not _compare_sizes(file.path, file.size, found_size, result):
            return
        if file.size >= BIG_FILE_BYTES:
            result.more.append(file)
            return
        _compare_digest(file, fd, result)


def _compare_digest(file: BigFileBatch, fd: int, result: VerifyResult) -> None:
    sha256 = b""
    try:
        if file.sha256:
            digest, sha256 = digests_of_fd(fd, file.size)
        else:
            digest = digest_of_fd(fd, file.size)
    except FileGrewOrShrankError as error:
        _compare_sizes(file.path, file.size, error.found_bytes, result)
        return
    result.byte_count += file.size
    if file.digest not in (digest, NO_DIGEST):
        result.problems.append(Problem(Code.CHANGED, file.path, Digest(file.digest.hex()), Digest(digest.hex())))
    elif sha256 != file.sha256:
        expected, found = (Digest(each.hex(), "sha256") for each in (file.sha256, sha256))
        result.problems.append(Problem(Code.CHANGED, file.path, expected, found))


def _verify_big_file(file: BigFileBatch, result: VerifyResult) -> None:
    folder, name = os.path.split(file.path)
    try:
        with opened_beneath(file.root, folder) as dir_fd, opened_file(name, dir_fd=dir_fd) as fd:
            _compare_digest(file, fd, result)
    except OSError as error:
        result.problems.append(unreadable(file.path, error))


def _compare_sizes(path: bytes, expected: int, found: int, result: VerifyResult) -> bool:
    if expected != found:
        result.problems.append(size_problem(path, expected, found))
    return expected == found


def _folder_problem(root: bytes, path: bytes, error: OSError) -> Problem:
    if error.errno == errno.ENOENT:
        return Problem(Code.MISSING, path, "a folder")
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return Problem(Code.WRONG_TYPE, path, "a folder", kind_in_words(os.lstat(os.path.join(root, path)).st_mode))
    return unreadable(path, error)
