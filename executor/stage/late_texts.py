"""Late texts: the files that list all others, such as checksum lists, written when these are staged.

Only then sizes and digests are known. The staged files are read at most once more, for the digests that no record
has; what is listed is what was staged.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import xxhash

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.made import MadeFile, Records
from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, grouped_blobs
from qa2pack.manifest.format.spool import OrderedSpool
from qa2pack.manifest.format.written import BesideFile, WrittenFile
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.layout.text_template import FILES
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.written import (
    DIGEST_BYTES,
    ListedFile,
    Listing,
    decoded,
    facts_of,
    header_text_of,
    late_limit_bytes,
    paths_of_record,
    pieces_of_text,
)
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.table_lock import is_table_lock


def write_late(
    header: Header, records: Records, context: StagingContext, *, engine: Engine, progress: Progress
) -> dict[bytes, MadeFile]:
    """Write the late files of a member into its staged folder; return them by path in the member.

    Those that are placeholders, or are kept as they are, are not in it.

    Args:
        header: of the plan of the member.
        records: yields, at each call from the start, path and encoded record of all folders; all else is staged.

    Raises:
        Refused: a text cannot be made.
        OSError: the disk fails or is full.
    """
    planned = _planned_sizes(header, records)
    wanted = [file for file in header.written if file.path in planned]
    if not wanted:
        return {}
    staged = _facts_of_staged(header, wanted, records, context, header.late, engine=engine, progress=progress)
    with staged as (facts, file_count):
        return {
            file.path: _write(file, facts, context, planned[file.path], header.scanned_ns, file_count)
            for file in wanted
        }


@contextmanager
def _facts_of_staged(
    header: Header,
    wanted: Sequence[WrittenFile],
    records: Records,
    context: StagingContext,
    skipped: frozenset[bytes],
    *,
    engine: Engine,
    progress: Progress,
) -> Iterator[tuple[dict[str, object], int]]:
    """Yield what the templates of these files see, the staged files among it, and how many files there are.

    Args:
        skipped: paths of files that are not listed.
    """
    digests = tuple(name for name in DIGEST_BYTES if any(name in file.digests for file in wanted))
    counts = [(len(record.names), sum(record.sizes)) for record in _decoded_records(records)]
    file_count = sum(count for count, _ in counts)
    progress.phase("list files", file_count=file_count, byte_count=sum(size for _, size in counts))
    paths = (path for record in _decoded_records(records) for path in paths_of_record(record))
    facts = facts_of(header, header_text_of(header), paths)
    with closing(OrderedSpool()) as spool:
        _gather_digests(spool, digests, skipped, records, context, engine=engine, progress=progress)
        facts[FILES] = Listing(lambda: _listed(records, digests, spool, skipped))
        yield facts, file_count


def write_beside(
    header: Header,
    records: Records,
    context: StagingContext,
    paths: TransactionPaths,
    *,
    engine: Engine,
    progress: Progress,
) -> tuple[BesideFile, ...]:
    """Write the files that go beside the package into staging; return them with sizes and digests.

    Where the package has placeholders they are empty.

    Args:
        header: of the plan of the member.
        records: as for `write_late`; late files are among them.

    Raises: as `write_late`.
    """
    for each in header.beside:
        remove_tree(context.disk, paths.staged_ticket(each.name))
    if not header.beside or not header.mode.has_content:
        return tuple(_beside(each, (), header, context, paths) for each in header.beside)
    wanted = [each.file for each in header.beside]
    staged = _facts_of_staged(header, wanted, records, context, frozenset(), engine=engine, progress=progress)
    with staged as (facts, file_count):
        return tuple(
            _beside(each, _pieces_of(each.file, facts, file_count), header, context, paths) for each in header.beside
        )


def _beside(
    beside: BesideFile, pieces: Iterable[bytes], header: Header, context: StagingContext, paths: TransactionPaths
) -> BesideFile:
    size, digest = _created(context.disk, paths.staged_ticket(beside.name), pieces, header.scanned_ns)
    return replace(beside, size=size, digest=digest)


def _pieces_of(file: WrittenFile, facts: Mapping[str, object], file_count: int) -> Iterable[bytes]:
    """Return the text of a file piece by piece."""
    if not file.template:
        return (file.text,)
    return pieces_of_text(file, facts, limit_bytes=late_limit_bytes(file_count), file_count=file_count)


def _created(disk: Disk, path: bytes, pieces: Iterable[bytes], mtime_ns: int) -> tuple[int, bytes]:
    """Create a file of these bytes and return its size and digest."""
    size, digest = 0, xxhash.xxh3_128()
    with created_file(disk, path) as target:
        for piece in pieces:
            target.write(piece)
            digest.update(piece)
            size += len(piece)
        target.flush()  # a write after it would change the time
        disk.set_times(target.fileno(), mtime_ns)
    return size, digest.digest()


def _planned_sizes(header: Header, records: Records) -> dict[bytes, int]:
    """Return the sizes that the plan has for the late files that are to be written, by path."""
    late = header.late
    if not late:
        return {}
    folders = {path.rpartition(b"/")[0] for path in late}
    found = (decode_record(blob) for path, blob in records() if path in folders)
    return {
        path: record.sizes[index]
        for record in found
        for index, path in enumerate(join(record.path, name) for name in record.names)
        if path in late and record.actions[index] == Action.WRITE
    }


def _decoded_records(records: Records) -> Iterator[FolderRecord]:
    return (decode_record(blob) for _, blob in records())


def _write(
    file: WrittenFile,
    facts: Mapping[str, object],
    context: StagingContext,
    planned_bytes: int,
    mtime_ns: int,
    file_count: int,
) -> MadeFile:
    """Write one late file in place of the empty one that stands for it."""
    path = join(context.member, file.path)
    context.disk.unlink(path)
    size, digest = _created(context.disk, path, _pieces_of(file, facts, file_count), mtime_ns)
    return MadeFile(size, digest, size - planned_bytes, mtime_ns)


@dataclass(frozen=True, slots=True)
class DigestBatch:
    """Encoded records of folders whose files are read.

    Attributes:
        number: in the order of the records.
        member: absolute path of the staged member.
        digests: names of the digests that are wanted.
        skipped: paths of files that are not listed.
    """

    number: int
    member: bytes
    blobs: tuple[bytes, ...]
    digests: tuple[str, ...]
    skipped: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class DigestResult:
    """The digests of the files of a batch, one after the other: by record, file, and wanted digest."""

    number: int
    data: bytes
    file_count: int
    byte_count: int


def digest_batch(batch: DigestBatch) -> DigestResult:
    """Read the files of a batch; all digests of a file in one pass.

    Raises:
        OSError: a file cannot be read.
    """
    data = bytearray()
    file_count = byte_count = 0
    for record in map(decode_record, batch.blobs):
        with opened_beneath(batch.member, record.path) as fd:
            for index, name in enumerate(record.names):
                if join(record.path, name) in batch.skipped:
                    data += bytes(sum(DIGEST_BYTES[one] for one in batch.digests))
                else:
                    data += _digests(record, index, fd, batch.digests)
        file_count += len(record.names)
        byte_count += sum(record.sizes)
    return DigestResult(batch.number, bytes(data), file_count, byte_count)


def _digests(record: FolderRecord, index: int, dir_fd: int, digests: tuple[str, ...]) -> bytes:
    """Return the digests of one file; it is not read for what its record has."""
    name, known = record.names[index], record.digest(index)
    if digests == ("xxh128",) and known != NO_DIGEST and not is_table_lock(name):
        return known  # of a lock the record has the number of rows
    states = [xxhash.xxh3_128() if one == "xxh128" else hashlib.new(one) for one in digests]
    with opened_file(name, dir_fd=dir_fd) as fd:
        for block in blocks_of(fd):
            for state in states:
                state.update(block)
    return b"".join(state.digest() for state in states)


def _gather_digests(
    spool: OrderedSpool,
    digests: tuple[str, ...],
    skipped: frozenset[bytes],
    records: Records,
    context: StagingContext,
    *,
    engine: Engine,
    progress: Progress,
) -> None:
    """Put the wanted digests of all files into the spool, a piece for each group of records."""
    if not digests:
        return
    batches = (
        DigestBatch(number, context.member, blobs, digests, skipped)
        for number, blobs in enumerate(grouped_blobs(blob for _, blob in records()))
    )
    for result in run_streamed(engine, digest_batch, batches):
        spool.add(result.number, result.data)
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)


def _listed(
    records: Records, digests: tuple[str, ...], spool: OrderedSpool, skipped: frozenset[bytes]
) -> Iterator[ListedFile]:
    """Yield the files of all records as templates see them."""
    pieces = spool.pieces()
    for blobs in grouped_blobs(blob for _, blob in records()):
        data, start = next(pieces, b""), 0
        for record in map(decode_record, blobs):
            for name, size in zip(record.names, record.sizes, strict=True):
                values = {}
                for one in digests:
                    values[one] = data[start : start + DIGEST_BYTES[one]].hex()
                    start += DIGEST_BYTES[one]
                path = join(record.path, name)
                if path not in skipped:
                    yield ListedFile(decoded(path), size, **values)
