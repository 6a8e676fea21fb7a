"""Writing a bundle: entries and contents go in, bytes come out in pieces; reproducible, in one pass.

The order of the entries is the caller's. Owner is root, times are whole seconds and modes are normalised, so equal
content makes an equal tar; its compressed bytes are equal for the same encoder and level. Nothing is opened here.
"""

from collections.abc import Callable, Iterable, Iterator

import xxhash

from qa2pack.manifest.bundle.encoder import gzip_pieces
from qa2pack.manifest.bundle.entry import Buffer, BundleEntry, kept_mode, kept_seconds
from qa2pack.manifest.bundle.form import Form
from qa2pack.manifest.bundle.gzip_format import BLOCK_BYTES, USUAL_LEVEL
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES as TAR_BLOCK_BYTES
from qa2pack.manifest.bundle.tar_header import END_BLOCKS, RECORD_BLOCKS, file_header, folder_header, padded
from qa2pack.manifest.path import check_relative

Contents = Iterable[tuple[BundleEntry, Iterable[Buffer]]]

_TAR_PIECE_BYTES = 1 << 20
_RECORD_BYTES = RECORD_BLOCKS * TAR_BLOCK_BYTES


def write_bundle(
    write: Callable[[Buffer], object], form: Form, entries: Contents, *, level: int = USUAL_LEVEL, threads: int = 1
) -> tuple[int, bytes]:
    """Write a whole bundle through `write`, in pieces of at most some MiB.

    Contents are consumed in order, each once; a block of a content may be overwritten once the next one is asked for.
    What a content or `write` raises goes through unchanged, and no thread is left over.

    Args:
        write: takes all bytes that it is given.
        entries: of a `.gz`, exactly one file.
        level: of the compression, 1 to 9.
        threads: that compress; they do not change the bytes.

    Returns:
        Size and XXH3-128 digest (16 bytes) of what was written.

    Raises:
        ValueError: a content has another length than its entry says, a path is unsafe, or a `.gz` is not of one file.
    """
    size, digest = 0, xxhash.xxh3_128()
    for piece in _pieces(form, entries, level, threads):
        write(piece)
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()


def _pieces(form: Form, entries: Contents, level: int, threads: int) -> Iterator[bytes]:
    match form:
        case Form.TAR:
            return _blocks(_tar(entries), _TAR_PIECE_BYTES)
        case Form.TGZ:
            return gzip_pieces(_blocks(_tar(entries), BLOCK_BYTES), level=level, threads=threads)
        case Form.GZ:
            return gzip_pieces(_blocks(_only_content(entries), BLOCK_BYTES), level=level, threads=threads)


def _tar(entries: Contents) -> Iterator[Buffer]:
    total = END_BLOCKS * TAR_BLOCK_BYTES
    for entry, content in entries:
        header = _header(entry)
        yield header
        yield from _checked(entry, content)
        yield bytes(-entry.size % TAR_BLOCK_BYTES)
        total += len(header) + padded(entry.size)
    yield bytes(END_BLOCKS * TAR_BLOCK_BYTES + -total % _RECORD_BYTES)


def _header(entry: BundleEntry) -> bytes:
    if not entry.path:
        raise ValueError("an entry of a tar needs a path")
    check_relative(entry.path)
    mtime, mode = kept_seconds(entry), kept_mode(entry)
    if entry.is_folder:
        return folder_header(entry.path, mtime=mtime, mode=mode)
    return file_header(entry.path, size=entry.size, mtime=mtime, mode=mode)


def _only_content(entries: Contents) -> Iterator[Buffer]:
    count = 0
    for count, (entry, content) in enumerate(entries, 1):
        if count > 1 or entry.is_folder:
            raise ValueError("a .gz holds one file")
        yield from _checked(entry, content)
    if not count:
        raise ValueError("a .gz holds one file, and there is none")


def _checked(entry: BundleEntry, content: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield a content, which must have the length that the entry says."""
    left = entry.size
    for block in content:
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise ValueError(f"the content is not of {entry.size} bytes, as its entry says")


def _blocks(data: Iterable[Buffer], size: int) -> Iterator[bytes]:
    """Yield the same bytes in blocks of this size, of which only the last may be shorter."""
    block, filled = bytearray(size), 0
    for piece in data:
        rest = memoryview(piece)
        while rest:
            taken = rest[: size - filled]
            block[filled : filled + len(taken)] = taken
            filled, rest = filled + len(taken), rest[len(taken) :]
            if filled == size:
                yield bytes(block)
                filled = 0
    if filled:
        yield bytes(block[:filled])
