"""Compression of blocks into one gzip member, by one or several threads; the same bytes whatever their number.

zlib-ng compresses, and Python's own zlib where zlib-ng is not installed; docs/measurements.md says why. The bytes
depend on that choice and on the level, so nothing may rely on them.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from types import ModuleType

from qa2pack.manifest.bundle.gzip_format import (
    BLOCK_BYTES,
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


class GzipWriter:
    """Compresses what is written to it, into the bytes that `gzip_pieces` with one thread makes of its blocks."""

    def __init__(self, write: Callable[[bytes], None], *, level: int = USUAL_LEVEL) -> None:
        self._write = write
        self._level = level
        self._waiting = bytearray()
        self._before = b""
        self._checksum = self._size = 0
        write(HEADER)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; they may be changed when this returns."""
        self._waiting += data
        while len(self._waiting) >= BLOCK_BYTES:
            self._write_block(bytes(self._waiting[:BLOCK_BYTES]))
            del self._waiting[:BLOCK_BYTES]

    def finish(self) -> None:
        """Write what is left, and the end."""
        if self._waiting:
            self._write_block(bytes(self._waiting))
        self._write(end_of_member(self._checksum, self._size))

    def _write_block(self, block: bytes) -> None:
        self._checksum = engine().crc32(block, self._checksum)
        self._size += len(block)
        self._write(_deflated(block, self._before, self._level))
        self._before = block[-DICTIONARY_BYTES:]


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
