"""Writing a bundle: entries and contents go in, bytes come out in pieces; reproducible, in one pass.

The order of the entries is the caller's. Owner is root, times are whole seconds and modes are normalised, so equal
content makes an equal tar; its compressed bytes are equal for the same encoder and level. Nothing is opened here.
"""

from collections.abc import Callable, Iterator

import xxhash

from qa2pack.manifest.bundle.container import PIECE_BYTES, Contents, in_blocks, in_container, with_paths
from qa2pack.manifest.bundle.encoder import gzip_pieces
from qa2pack.manifest.bundle.entry import Buffer
from qa2pack.manifest.bundle.form import Form
from qa2pack.manifest.bundle.framing import Framing, tar_framing
from qa2pack.manifest.bundle.gzip_format import BLOCK_BYTES, USUAL_LEVEL


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
            return in_blocks(in_container(tar_framing(), with_paths(entries)), PIECE_BYTES)
        case Form.TGZ:
            content = in_container(tar_framing(), with_paths(entries))
        case Form.GZ:
            content = in_container(Framing(), _only_file(entries))
    return gzip_pieces(in_blocks(content, BLOCK_BYTES), level=level, threads=threads)


def _only_file(entries: Contents) -> Contents:
    count = 0
    for count, (entry, content) in enumerate(entries, 1):
        if count > 1 or entry.is_folder:
            raise ValueError("a .gz holds one file")
        yield entry, content
    if not count:
        raise ValueError("a .gz holds one file, and there is none")
