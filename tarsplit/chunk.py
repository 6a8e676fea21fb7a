"""Writing one chunk: read, compare with the manifest, checksum and write in one pass.

The worker's side. A file that is not as the manifest says stops the chunk with its name, and nothing of the chunk
is left. The finished tar gets its name only when it is on disk.
"""

import os
from dataclasses import dataclass

import xxhash

from manifest.digest import BUFFER_BYTES, aligned_buffer
from manifest.folder import opened_file, opened_folder
from manifest.path import join
from manifest.problem import Code, Problem
from manifest.record import NO_DIGEST, FolderRecord
from tarsplit.entry import BLOCK_BYTES
from tarsplit.naming import PART
from tarsplit.outfile import create_part, publish_part, remove, write_all
from tarsplit.partition import END_BLOCKS, RECORD_BLOCKS
from tarsplit.sums import Sums
from tarsplit.walk import ChunkPart, Share, header_of_file, header_of_folder, shares

_FLUSH_BYTES = 1 << 20
_PADDING = [bytes(count) for count in range(BLOCK_BYTES)]
_SMALL_BYTES = 256 << 10  # up to here a file is read at once


@dataclass(frozen=True, slots=True)
class ChunkBatch:
    """One chunk to be written.

    Attributes:
        number: its place among the chunks, from 0.
        target: path of the tar.
        root: the package, absolute.
        renamed: folders of the tar that are called otherwise on disk.
        texts: contents of files that differ from those on disk, by their path in the tar.
        byte_count: the size that the tar will have.
    """

    number: int
    target: bytes
    part: ChunkPart
    project: bytes
    root: bytes
    renamed: tuple[tuple[bytes, bytes], ...]
    texts: tuple[tuple[bytes, bytes], ...]
    folder_mtime: int
    checksums: tuple[str, ...]
    byte_count: int


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of a chunk.

    Attributes:
        problem: what stopped it, if anything did.
    """

    number: int
    xxh128: str = ""
    checksums: tuple[tuple[str, str], ...] = ()
    problem: Problem | None = None


class _Stopped(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _OutputFailed(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def write_chunk(batch: ChunkBatch) -> ChunkResult:
    """Write the chunk.

    Raises:
        OSError: the output cannot be written; nothing of the chunk is left.
    """
    fd = create_part(batch.target)
    try:
        out = _Output(fd, batch.checksums)
        for share in shares(batch.part):
            _write_share(batch, share, out)
        out.finish(batch.byte_count)
        publish_part(fd, batch.target)
    except _Stopped as stopped:
        remove(batch.target + PART)
        return ChunkResult(batch.number, problem=stopped.problem)
    except _OutputFailed as failed:
        remove(batch.target + PART)
        raise OSError(failed.error.errno, failed.error.strerror, batch.target) from failed
    except BaseException:
        remove(batch.target + PART)
        raise
    finally:
        os.close(fd)
    checksums = tuple((name, out.sums.result(name)) for name in batch.checksums)
    return ChunkResult(batch.number, out.sums.result(), checksums)


class _Output:
    """The tar that grows: small parts are gathered, big ones go straight through."""

    def __init__(self, fd: int, checksums: tuple[str, ...]) -> None:
        self.sums = Sums(checksums)
        self._fd = fd
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._byte_count = 0

    def add(self, *parts: bytes) -> None:
        self._parts += parts
        self._waiting_bytes += sum(map(len, parts))
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()

    def add_block(self, block: memoryview) -> None:
        """Write a block that its owner will use again."""
        self._flush()
        self._write(block)

    def finish(self, byte_count: int) -> None:
        """Write the end of the tar; its size must be what was computed."""
        self._flush()
        self._write(bytes(END_BLOCKS * BLOCK_BYTES))
        record_bytes = RECORD_BLOCKS * BLOCK_BYTES
        self._write(bytes(-self._byte_count % record_bytes))
        if self._byte_count != byte_count:
            raise RuntimeError(f"wrote {self._byte_count} bytes where {byte_count} were computed")

    def _flush(self) -> None:
        if self._parts:
            self._write(b"".join(self._parts))
            self._parts.clear()
            self._waiting_bytes = 0

    def _write(self, data: bytes | memoryview) -> None:
        self.sums.update(data)
        try:
            write_all(self._fd, data)
        except OSError as error:  # told apart from a source that cannot be read
            raise _OutputFailed(error) from error
        self._byte_count += len(data)


def _write_share(batch: ChunkBatch, share: Share, out: _Output) -> None:
    if share.has_folder:
        out.add(header_of_folder(batch.project, share.record, batch.folder_mtime))
    if not share.files:
        return
    folder = os.path.join(batch.root, _on_disk(batch, share.record.path))
    try:
        with opened_folder(folder) as dir_fd:
            for index in share.files:
                _write_file(batch, share.record, index, dir_fd, out)
    except FileNotFoundError as error:
        raise _Stopped(Problem(Code.MISSING, folder, "a folder")) from error


def _write_file(batch: ChunkBatch, record: FolderRecord, index: int, dir_fd: int, out: _Output) -> None:
    size = record.sizes[index]
    header = header_of_file(batch.project, record, index)
    text = _text_of(batch, record, index) if batch.texts else None
    if text is not None:
        out.add(header, text, _PADDING[-size % BLOCK_BYTES])
        return
    try:
        with opened_file(record.names[index], dir_fd=dir_fd) as fd:
            found = _copy_small(fd, size, header, out) if size <= _SMALL_BYTES else _copy_big(fd, size, header, out)
    except _WrongSizeError as error:
        code = Code.TRUNCATED if error.found < size else Code.GROWN
        raise _stopped(batch, record, index, code, f"{size} bytes", f"{error.found} bytes") from error
    except FileNotFoundError as error:
        raise _stopped(batch, record, index, Code.MISSING) from error
    except OSError as error:
        raise _stopped(batch, record, index, Code.UNREADABLE, found=error.strerror or "") from error
    expected = record.digest(index)
    if expected not in (found, NO_DIGEST):
        raise _stopped(batch, record, index, Code.CHANGED, expected.hex(), found.hex())


def _text_of(batch: ChunkBatch, record: FolderRecord, index: int) -> bytes | None:
    path = join(record.path, record.names[index])
    return next((text for changed, text in batch.texts if changed == path and record.sizes[index]), None)


class _WrongSizeError(Exception):
    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


def _copy_small(fd: int, size: int, header: bytes, out: _Output) -> bytes:
    data = os.read(fd, size + 1)
    if len(data) != size:
        raise _WrongSizeError(os.fstat(fd).st_size)
    out.add(header, data, _PADDING[-size % BLOCK_BYTES])
    return xxhash.xxh3_128_digest(data)


def _copy_big(fd: int, size: int, header: bytes, out: _Output) -> bytes:
    out.add(header)
    buffer = aligned_buffer()
    state = xxhash.xxh3_128()
    rest = size
    while rest:
        count = os.readv(fd, [buffer[: min(rest, BUFFER_BYTES)]])
        if not count:
            raise _WrongSizeError(size - rest)
        state.update(buffer[:count])
        out.add_block(buffer[:count])
        rest -= count
    if os.read(fd, 1):
        raise _WrongSizeError(os.fstat(fd).st_size)
    out.add(_PADDING[-size % BLOCK_BYTES])
    return state.digest()


def _stopped(
    batch: ChunkBatch, record: FolderRecord, index: int, code: Code, expected: str = "", found: str = ""
) -> _Stopped:
    path = join(_on_disk(batch, record.path), record.names[index])
    return _Stopped(Problem(code, join(batch.root, path), expected, found))


def _on_disk(batch: ChunkBatch, path: bytes) -> bytes:
    """Return where the path of the tar is on disk, relative to the package."""
    for delivered, source in batch.renamed:
        if path == delivered or path.startswith(delivered + b"/"):
            return source + path[len(delivered) :]
    return path
