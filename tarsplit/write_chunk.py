"""Write one chunk, a container or a tree: read, compare with the manifest, checksum and write in one pass.

Runs in a worker. A file that differs from the manifest stops its chunk with a problem that names the file; a partial
tar is removed. The chunk gets its final name only after it is synced.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

import xxhash

from qa2pack.manifest.bundle.ocfl_object import OBJECT_INVENTORY
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.at_once import ahead
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, size_problem, unreadable
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.checksums import threaded_sums
from qa2pack.tarsplit.chunk_entries import ChunkPart, Share, shares
from qa2pack.tarsplit.container.framing import framing_of
from qa2pack.tarsplit.container.writer import ContainerWriter, Output, OutputFailedError
from qa2pack.tarsplit.growth import Growth
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.place.place import Place, StrayError, Upload
from qa2pack.tarsplit.tree.find_shape import shape_of
from qa2pack.tarsplit.tree.object_shape import InventoryError
from qa2pack.tarsplit.tree.shape import Amount, TreeName
from qa2pack.tarsplit.tree.writer import OtherContentError, TreeWriter

_SMALL_BYTES = 256 << 10  # a file up to this size is read in one call


@dataclass(frozen=True, slots=True)
class ChunkBatch:
    """One chunk to write.

    Attributes:
        number: index of the chunk, from 0.
        root: the package, absolute.
        renamed: folders whose path in the tar differs from the path on disk, as pairs of both.
        texts: path in the tar and content of files that differ from those on disk.
        keeps: what a tree has of an earlier run is of the same delivery.
        is_read: that is not known by its size.
        growth: what an object has to which a version is added; None for one that is new.
        is_summed_alone: a container is not written, only its checksums are found.
    """

    number: int
    place: Place
    name: bytes
    part: ChunkPart
    project: bytes
    root: bytes
    renamed: tuple[tuple[bytes, bytes], ...]
    texts: tuple[tuple[bytes, bytes], ...]
    folder_mtime: int
    checksums: tuple[str, ...]
    made: Made
    keeps: bool = False
    is_read: bool = False
    growth: Growth | None = None
    is_summed_alone: bool = False


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """Result of one chunk.

    Attributes:
        problem: why it was not written, or None.
        stored: the checksum that the place tells of it, or empty.
        is_kept: an earlier run had written all of it.
    """

    number: int
    byte_count: int = 0
    xxh128: str = ""
    checksums: tuple[tuple[str, str], ...] = ()
    problem: Problem | None = None
    stored: str = ""
    is_kept: bool = False


class _Sink(Protocol):
    """What the files of a chunk are written into, in their order."""

    def begin(self, share: Share) -> Iterator[bytes]:
        """Begin a folder; yield what is given back with each of its files, when the one before is added."""

    def add_file(self, header: bytes, content: bytes, /) -> None:
        """Add a small file."""

    def add_large(self, header: bytes, size: int, blocks: Iterable[memoryview], /) -> None:
        """Add a large file; the blocks are in the memory of `free_block`."""

    def free_block(self) -> memoryview:
        """Return memory for the next block."""


class _StoppedError(Exception):
    """A file differs from the manifest, so its chunk cannot be written."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _DiffersError(Exception):
    """Size or content of a file differs from the manifest.

    Attributes:
        problem: its path is not filled in.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def write_chunk(batch: ChunkBatch) -> ChunkResult:
    """Write one chunk.

    Raises:
        OSError: the output cannot be written; the partial tar is removed.
        PlaceError: the store failed; what it has of the tar stays.
    """
    try:
        return _write_tree(batch) if batch.made.is_tree else _write_container(batch)
    except _StoppedError as stopped:
        return ChunkResult(batch.number, problem=stopped.problem)
    except OutputFailedError as failed:
        path = join(batch.place.path, batch.name)
        raise OSError(failed.error.errno, failed.error.strerror, path) from failed


def _write_container(batch: ChunkBatch) -> ChunkResult:
    with (
        threaded_sums(batch.checksums) as sums,
        _upload(batch) as upload,
    ):
        framing = framing_of(batch.made, batch.project, batch.part, folder_mtime=batch.folder_mtime)
        output = Output(upload.write, sums)
        out = ContainerWriter(output, framing, level=batch.made.level)
        try:
            _write_shares(batch, out)
        except _StoppedError:
            upload.give_up()  # what was written is of a file that changed; after any other stop it may go on
            raise
        out.finish(batch.made.plain_bytes)
        stored = upload.finish()
        checksums = tuple((name, sums.result(name)) for name in batch.checksums)
        return ChunkResult(batch.number, output.byte_count, sums.result(), checksums, stored=stored)


def _upload(batch: ChunkBatch) -> AbstractContextManager[Upload]:
    if batch.is_summed_alone:
        return nullcontext(_Nowhere())
    return batch.place.upload(batch.name, batch.made.byte_count)


class _Nowhere:
    """A file of which nothing is kept."""

    def write(self, data: bytes | memoryview) -> None:
        pass

    def finish(self) -> str:
        return ""

    def give_up(self) -> None:
        pass


def _write_tree(batch: ChunkBatch) -> ChunkResult:
    tree = TreeName(batch.name, batch.project, batch.folder_mtime)
    amount = Amount(batch.part.file_count, batch.made.plain_bytes)
    growth = batch.growth
    earlier, stored = (growth.earlier, growth.stored) if growth else (None, None)
    try:
        shape = shape_of(tree, batch.made.form, batch.checksums, amount, batch.place, earlier, is_made=False)
    except InventoryError as error:
        path = join(join(batch.place.path, batch.name), OBJECT_INVENTORY)
        problem = Problem(Code.CHANGED, path, "that of the delivery, or of the one before", str(error))
        return ChunkResult(batch.number, problem=problem)
    keeps = batch.keeps or growth is not None
    out = TreeWriter(batch.place, batch.name, shape, keeps=keeps, is_read=batch.is_read, stored=stored)
    try:
        out.check_others(batch.part)
        _write_shares(batch, out)
        out.finish()
    except StrayError as stray:
        problem = Problem(Code.EXTRA, stray.path, "only files that the delivery names", stray.found)
        return ChunkResult(batch.number, problem=problem)
    except _StoppedError:
        out.give_up()
        raise
    lists = shape.lists
    return ChunkResult(batch.number, amount.byte_count, lists.of_all, lists.results(), is_kept=out.is_kept)


def _write_shares(batch: ChunkBatch, out: _Sink) -> None:
    for share in shares(batch.part):
        headers = out.begin(share)
        if not share.files:
            continue
        folder = os.path.join(batch.root, _on_disk(batch, share.record.path))
        try:
            with opened_folder(folder) as dir_fd:
                _write_files(batch, share, headers, dir_fd, out)
        except OSError as error:
            raise _StoppedError(_problem(error, folder, "a folder")) from error


def _write_files(batch: ChunkBatch, share: Share, headers: Iterator[bytes], dir_fd: int, out: _Sink) -> None:
    record = share.record
    texts = {path: text for path, text in batch.texts if path.rpartition(b"/")[0] == record.path}
    contents = _contents(record, share.files, dir_fd, texts)
    for index, header, content in zip(share.files, headers, contents, strict=True):
        try:
            match content:
                case bytes():
                    out.add_file(header, content)
                case None:
                    _copy_large(record, index, dir_fd, header, out)
                case error:
                    raise error
        except (_DiffersError, OtherContentError, OSError) as error:
            path = join(_on_disk(batch, record.path), record.names[index])
            raise _StoppedError(_problem(error, join(batch.root, path))) from error


def _contents(
    record: FolderRecord, files: Sequence[int], dir_fd: int, texts: Mapping[bytes, bytes]
) -> Iterator["bytes | _DiffersError | OSError | None"]:
    """Yield, of each file, its content, or why it cannot be packed; None of a large one, which is not read here.

    Small files are read ahead where many calls are under way at once.
    """

    def content(index: int) -> "bytes | _DiffersError | OSError | None":
        text = texts.get(join(record.path, record.names[index])) if texts else None
        if text is not None and record.sizes[index]:
            return text
        if record.sizes[index] > _SMALL_BYTES:
            return None
        try:
            return _read_small(record, index, dir_fd)
        except (_DiffersError, OSError) as error:
            return error

    yield from (found for _, found in ahead(content, files))


def _read_small(record: FolderRecord, index: int, dir_fd: int) -> bytes:
    size = record.sizes[index]
    with opened_file(record.names[index], dir_fd=dir_fd) as fd:
        data = os.read(fd, size + 1)
        if pace := current_pace():
            pace.take(len(data))
        if len(data) != size:
            raise _DiffersError(size_problem(b"", size, os.fstat(fd).st_size))
    _check_digest(record, index, xxhash.xxh3_128_digest(data))
    return data


def _copy_large(record: FolderRecord, index: int, dir_fd: int, header: bytes, out: _Sink) -> None:
    state = xxhash.xxh3_128()
    with opened_file(record.names[index], dir_fd=dir_fd) as fd:
        size = record.sizes[index]
        out.add_large(header, size, _blocks(fd, size, state, out))
    _check_digest(record, index, state.digest())


def _check_digest(record: FolderRecord, index: int, found: bytes) -> None:
    expected = record.digest(index)
    if found != expected != NO_DIGEST:
        raise _DiffersError(Problem(Code.CHANGED, b"", Digest(expected.hex()), Digest(found.hex())))


def _blocks(fd: int, size: int, state: xxhash.xxh3_128, out: _Sink) -> Iterator[memoryview]:
    """Yield the content of a file, which must have this size, and add it to the digest."""
    pace = current_pace()
    rest = size
    while rest:
        block = out.free_block()
        count = os.readv(fd, [block[: min(rest, len(block))]])
        if not count:
            raise _DiffersError(size_problem(b"", size, size - rest))
        state.update(block[:count])
        yield block[:count]
        rest -= count
        if pace:
            pace.take(count)
    if os.read(fd, 1):
        raise _DiffersError(size_problem(b"", size, os.fstat(fd).st_size))


def _problem(error: _DiffersError | OtherContentError | OSError, path: bytes, expected: str = "") -> Problem:
    match error:
        case OtherContentError():
            return Problem(Code.CHANGED, path, f"sha512 {error}", "another, with the same XXH3-128")
        case _DiffersError():
            return replace(error.problem, path=path)
        case FileNotFoundError():
            return Problem(Code.MISSING, path, expected)
        case _:
            return unreadable(path, error)


def _on_disk(batch: ChunkBatch, path: bytes) -> bytes:
    """Return the path on disk, relative to the package, of a path in the tar."""
    for delivered, source in batch.renamed:
        if path == delivered or path.startswith(delivered + b"/"):
            return source + path[len(delivered) :]
    return path
