"""Compression of blocks into one gzip member, by one or several threads; the same bytes whatever their number.

zlib-ng compresses, and Python's own zlib where zlib-ng is not installed; docs/performance.md says why. The bytes
depend on that choice and on the level, so nothing may rely on them.
"""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from types import ModuleType

from qa2pack.manifest.bundle.gzip_format import (
    DICTIONARY_BYTES,
    HEADER,
    USUAL_LEVEL,
    end_of_member,
    stored,
    stored_bytes,
)


@cache
def engine() -> ModuleType:
    """Return the module that compresses: zlib, or one with the same functions; found when it is first needed."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib
    return zlib_ng


def gzip_pieces(blocks: Iterable[bytes], *, level: int = USUAL_LEVEL, threads: int = 1) -> Iterator[bytes]:
    """Yield a gzip file of the blocks, in pieces; at most two blocks per thread are in memory.

    What iterating over the blocks raises goes through, after the threads have ended.
    """
    checksum = size = 0

    def counted() -> Iterator[bytes]:
        nonlocal checksum, size
        for block in blocks:
            checksum = engine().crc32(block, checksum)
            size += len(block)
            yield block

    yield HEADER
    yield from _compressed(counted(), level, threads)
    yield end_of_member(checksum, size)


def _compressed(blocks: Iterator[bytes], level: int, threads: int) -> Iterator[bytes]:
    if threads == 1:
        yield from (_deflated(block, before, level) for block, before in _with_dictionaries(blocks))
        return
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block, before in _with_dictionaries(blocks):
            waiting.append(pool.submit(_deflated, block, before, level))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _with_dictionaries(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield each block with the end of the one before it, to which its compressed form may refer."""
    before = b""
    for block in blocks:
        yield block, before
        before = block[-DICTIONARY_BYTES:]


def _deflated(block: bytes, before: bytes, level: int) -> bytes:
    """Return deflate blocks of a content that follows `before`, ending at a whole byte."""
    encoder = engine().compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0, before)
    made: bytes = encoder.compress(block) + encoder.flush(zlib.Z_SYNC_FLUSH)
    return made if len(made) < stored_bytes(len(block)) else stored(block)
