"""Chunk reader: the bytes of a chunk in order, each read once, with the checksums of all and of single files."""

from collections.abc import Callable, Iterator

import xxhash

from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.tarsplit.tar.checksums import Sums


class EndedError(Exception):
    """The chunk is shorter than it should be."""


class UnreadableError(Exception):
    """The chunk cannot be read, as opposed to an error of the taker, which may be of another disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class ChunkReader:
    """Reads a chunk once from where it stands to its end, a block at a time, and computes its checksums.

    Args:
        read: returns the next bytes, at most so many.
        sums: of what is before.
    """

    def __init__(self, read: Callable[[int], bytes], sums: Sums) -> None:
        self.sums = sums
        self._read = read
        self._block = b""
        self._place = 0  # in the block
        self._pace = current_pace()
        self._meter = current_meter()

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
            EndedError: the chunk ends before.
            UnreadableError: the disk fails.
        """
        data = self.at_once(size)
        return b"".join(self._parts(size)) if data is None else data

    def digest(self, size: int, take: Callable[[bytes | memoryview], None] | None) -> bytes:
        """Return the digest of the next bytes, and give them to `take`; raises as `read`."""
        state = xxhash.xxh3_128()
        for part in self._parts(size):
            state.update(part)
            if take:
                take(part)
        return state.digest()

    def rest(self) -> bytes:
        """Return the bytes after the last entry, up to a block and more: longer than the end of any tar."""
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
        try:
            self._block = self._read(BUFFER_BYTES)
        except OSError as error:
            raise UnreadableError(error) from error
        self._place = 0
        self.sums.update(self._block)
        self._meter.add(len(self._block))
        if self._pace:
            self._pace.take(len(self._block))
