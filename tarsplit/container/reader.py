"""Container reader: the bytes of a container before compression, read once from start to end, and summed up."""

import zlib
from collections.abc import Callable, Iterator

import xxhash

from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.tarsplit.checksums import Sums

Read = Callable[[int], bytes]
_GZIP = 31  # of zlib: header and checksum of gzip


class EndedError(Exception):
    """The container is shorter than it should be."""


class DamagedError(Exception):
    """What is compressed cannot be decoded."""


def summed(read: Read, sums: Sums) -> Read:
    """Return how to read the same bytes at the pace, each block summed up."""
    pace, meter = current_pace(), current_meter()

    def read_on(size: int) -> bytes:
        block = read(size)
        sums.update(block)
        meter.add(len(block))
        if pace:
            pace.take(len(block))
        return block

    return read_on


class Gunzip:
    """Decodes one member of gzip, behind which nothing may be."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._packed = b""
        self._decoder = zlib.decompressobj(_GZIP)

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end.

        Raises:
            EndedError: the end is missing.
            DamagedError: it is damaged.
        """
        while not self._decoder.eof:
            self._packed = self._packed or self._read(BUFFER_BYTES)
            if not self._packed:
                raise EndedError
            try:
                data = self._decoder.decompress(self._packed, size)
            except zlib.error as error:
                raise DamagedError(str(error)) from error
            self._packed = self._decoder.unconsumed_tail
            if data:
                return data
        if self._decoder.unused_data or self._read(1):
            raise DamagedError("something is behind its end")
        return b""


class Reader:
    """Reads exactly what is asked for.

    Args:
        offset: how many bytes are before.
    """

    def __init__(self, read: Read, offset: int = 0) -> None:
        self._read = read
        self._block = b""
        self._place = 0  # in the block
        self.byte_count = offset  # of the blocks before

    @property
    def offset(self) -> int:
        """How many bytes were read."""
        return self.byte_count + self._place

    def at_once(self, size: int) -> bytes | None:
        """Return exactly this many bytes; None, and nothing is read, where the block has fewer."""
        end = self._place + size
        if end > len(self._block):
            return None
        data = self._block[self._place : end]
        self._place = end
        return data

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            EndedError: the container ends before.
        """
        data = self.at_once(size)
        return b"".join(self._parts(size)) if data is None else data

    def digest(self, size: int, take: Callable[[bytes | memoryview], None]) -> bytes:
        """Return the digest of the next bytes, and give them to `take`; raises as `read`."""
        state = xxhash.xxh3_128()
        for part in self._parts(size):
            state.update(part)
            take(part)
        return state.digest()

    def skip(self, size: int) -> None:
        """Pass over so many bytes; raises as `read`."""
        for _ in self._parts(size):
            pass

    def rest(self) -> bytes:
        """Return the bytes that follow, up to a block and more; none at the end."""
        rest = self._block[self._place :]
        self._next()
        return rest + self._block

    def _parts(self, size: int) -> Iterator[memoryview]:
        while size:
            if self._place == len(self._block):
                self._next()
                if not self._block:
                    raise EndedError
            part = memoryview(self._block)[self._place : self._place + size]
            self._place += len(part)
            size -= len(part)
            yield part

    def _next(self) -> None:
        self.byte_count += len(self._block)
        self._block = self._read(BUFFER_BYTES)
        self._place = 0
