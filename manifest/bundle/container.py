"""Container: the bytes of a tar, a zip or a file alone, made of entries and their contents in one pass.

Bundles and ticket files are written here. What is between the contents says the framing, which deliveries share;
their writer is another one because it computes several checksums side by side. Nothing is opened here.
"""

from collections.abc import Callable, Iterable, Iterator

from qa2pack.manifest.bundle.entry import Buffer, BundleEntry, kept_mode, kept_seconds
from qa2pack.manifest.bundle.framing import Framing
from qa2pack.manifest.path import check_relative

Contents = Iterable[tuple[BundleEntry, Iterable[Buffer]]]

PIECE_BYTES = 1 << 20


def write_container(write: Callable[[Buffer], object], framing: Framing, entries: Contents) -> None:
    """Write a container that is not compressed through `write`, in pieces of a MiB.

    Contents are consumed in order, each once; a block of a content may be overwritten once the next one is asked for.
    What a content or `write` raises goes through unchanged.

    Raises:
        ValueError: a content has another length than its entry says, or a path is unsafe or missing.
    """
    for piece in in_blocks(in_container(framing, with_paths(entries)), PIECE_BYTES):
        write(piece)


def in_container(framing: Framing, entries: Contents) -> Iterator[Buffer]:
    """Yield all of a container."""
    total = 0
    for entry, content in entries:
        header = _header(framing, entry)
        yield header
        for block in _whole(entry, content):
            framing.add(block)
            yield block
        behind = b"" if entry.is_folder else framing.after_file(entry.size)
        yield behind
        total += len(header) + entry.size + len(behind)
    yield from framing.end(total)


def with_paths(entries: Contents) -> Contents:
    """Yield the entries, each of which must have a safe path."""
    for entry, content in entries:
        if not entry.path:
            raise ValueError("an entry of a container needs a path")
        check_relative(entry.path)
        yield entry, content


def in_blocks(data: Iterable[Buffer], size: int) -> Iterator[bytes]:
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


def _header(framing: Framing, entry: BundleEntry) -> bytes:
    mtime, mode = kept_seconds(entry), kept_mode(entry)
    if entry.is_folder:
        return framing.before_folder(entry.path, mtime=mtime, mode=mode)
    return framing.before_file(entry.path, size=entry.size, mtime=mtime, mode=mode)


def _whole(entry: BundleEntry, content: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield a content, which must have the length that the entry says."""
    left = entry.size
    for block in content:
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise ValueError(f"the content is not of {entry.size} bytes, as its entry says")
