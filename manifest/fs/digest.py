"""Digest: XXH3-128 of file contents, read in the ways that were measured to be fastest.

A small file is one `read` of its size plus one byte, which shows a file that grew. A big file is read through a
page-aligned buffer that is made once per process (an unaligned buffer reads several times slower on some CPUs).
"""

import math
import mmap
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from threading import local

import xxhash

from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.safe_open import FILE_FLAGS
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.manifest.table_lock import LOCK_NAME

BUFFER_BYTES = 1 << 20
BIG_FILE_BYTES = 32 << 20  # files of this size are read in batches of their own


class FileGrewOrShrankError(Exception):
    """The file did not have the expected size while it was read."""

    def __init__(self, expected_bytes: int, found_bytes: int) -> None:
        super().__init__(f"expected {expected_bytes} bytes, read {found_bytes}")
        self.expected_bytes = expected_bytes
        self.found_bytes = found_bytes


class _Buffers(local):
    def __init__(self) -> None:
        self.buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


@cache
def _buffers() -> _Buffers:
    return _Buffers()


def aligned_buffer() -> memoryview:
    """Return this thread's page-aligned buffer of `BUFFER_BYTES` bytes.

    The mapping is private; otherwise a forked worker would read its files into the buffer of all others.
    """
    return _buffers().buffer


def digest_of_bytes(data: bytes) -> bytes:
    """Return the 16-byte digest of the data."""
    return xxhash.xxh3_128_digest(data)


def blocks_of(fd: int, length: int = sys.maxsize) -> Iterator[memoryview]:
    """Yield the content of an open file from its current position, counted, at the rate that is allowed.

    A block is this thread's buffer: the next one overwrites it.

    Args:
        length: most bytes to read.
    """
    buffer = aligned_buffer()
    pace, meter = current_pace(), current_meter()
    while count := os.readv(fd, [buffer[: min(length, BUFFER_BYTES)]]):
        meter.add(count)
        if pace:
            pace.take(count)
        yield buffer[:count]
        length -= count


def digest_of_rest(fd: int) -> bytes:
    """Return the digest of an open file, read from its current position to its end, whatever its size."""
    state = xxhash.xxh3_128()
    for block in blocks_of(fd):
        state.update(block)
    return state.digest()


def digest_of_fd(fd: int, size: int) -> bytes:
    """Return the digest of an open file, read from its current position to its end.

    Raises:
        FileGrewOrShrankError: the file does not have `size` bytes.
    """
    if size < BUFFER_BYTES:
        data = os.read(fd, size + 1)
        if pace := current_pace():
            pace.take(len(data))
        if len(data) != size:
            raise FileGrewOrShrankError(size, len(data))
        return xxhash.xxh3_128_digest(data)
    state = xxhash.xxh3_128()
    done = 0
    for block in blocks_of(fd):
        state.update(block)
        done += len(block)
    if done != size:
        raise FileGrewOrShrankError(size, done)
    return state.digest()


def digests_of_fd(fd: int, size: int) -> tuple[bytes, bytes]:
    """Return the digest and the sha256 of an open file, read once from its current position to its end.

    Raises:
        FileGrewOrShrankError: the file does not have `size` bytes.
    """
    from hashlib import sha256 as new_sha256  # loads OpenSSL, which few commands need

    digest, sha256 = xxhash.xxh3_128(), new_sha256()
    done = 0
    for block in blocks_of(fd):
        digest.update(block)
        sha256.update(block)
        done += len(block)
    if done != size:
        raise FileGrewOrShrankError(size, done)
    return digest.digest(), sha256.digest()


def digests_of_files(
    folder: int, names: Sequence[bytes], start: int = 0, *, until: float = math.inf
) -> tuple[list[os.stat_result], list[bytes]]:
    """Read small files of an open folder one after the other, from index `start` up to the first special case.

    With a bound on the rate it may end earlier: when the monotonic clock reaches `until`.

    A special case is a big file, a `table.lock`, a path that is not a regular file, one that cannot be read, or one
    that is changing. The caller handles it alone and continues after it. The loop is not cut into functions: a call
    per file would cost as much as the work.

    Returns:
        The stat results of the files that were read, and their digests.
    """
    stats: list[os.stat_result] = []
    digests: list[bytes] = []
    is_regular = stat.S_ISREG
    pace = current_pace()
    with suppress(OSError):
        for index in range(start, len(names)):  # by index: slicing off the finished ones would be quadratic
            if names[index] == LOCK_NAME:
                break
            fd = os.open(names[index], FILE_FLAGS, dir_fd=folder)
            try:
                status = os.fstat(fd)
                size = status.st_size
                if size >= BUFFER_BYTES or not is_regular(status.st_mode):
                    break
                data = os.read(fd, size + 1)
            finally:
                os.close(fd)
            if len(data) != size:
                break
            stats.append(status)
            digests.append(xxhash.xxh3_128_digest(data))
            if pace:
                pace.take(size)
                if time.monotonic() > until:
                    break
    return stats, digests
