"""Tar writer: collects small entries into large writes, passes large ones through, and updates the checksums."""

from collections.abc import Callable
from itertools import cycle

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, END_BLOCKS, RECORD_BLOCKS
from qa2pack.manifest.fs.digest import aligned_buffer
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.tarsplit.tar.checksums import Sums

_FLUSH_BYTES = 1 << 20
_PADDING = [bytes(count) for count in range(BLOCK_BYTES)]


class OutputFailedError(Exception):
    """The tar cannot be written, as opposed to a source file that cannot be read.

    Attributes:
        error: the error of the system.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class TarWriter:
    """Writes entries to where `write` puts them, which is done with the bytes when it returns."""

    def __init__(self, write: Callable[[bytes | memoryview], None], sums: Sums) -> None:
        self._write_all = write
        self._sums = sums
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._byte_count = 0
        self._meter = current_meter()
        buffer = aligned_buffer()
        half = len(buffer) // 2
        # Two halves in turn: the thread may still compute checksums of one while the next block is read.
        self._blocks = cycle((buffer[:half], buffer[half:]))

    def add_header(self, header: bytes) -> None:
        """Add the header of a folder, or of a file whose content follows in blocks."""
        self._parts.append(header)
        self._waiting_bytes += len(header)

    def add_file(self, header: bytes, content: bytes) -> None:
        """Add a file with its whole content."""
        size = len(content)
        self._parts += header, content, _PADDING[-size % BLOCK_BYTES]
        self._waiting_bytes += len(header) + size
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()

    def free_block(self) -> memoryview:
        """Return page-aligned memory for the next block; it must not be changed after `add_block`."""
        return next(self._blocks)

    def add_block(self, block: memoryview) -> None:
        """Add a block of content, in the memory that `free_block` returned."""
        self._flush()
        self._write(block)

    def end_content(self, size: int) -> None:
        """Pad the end of a content of this size that was added in blocks."""
        self.add_header(_PADDING[-size % BLOCK_BYTES])

    def finish(self, byte_count: int) -> None:
        """Write the end of the tar; its size must equal the computed one."""
        self._end()
        if self._byte_count != byte_count:
            raise RuntimeError(f"wrote {self._byte_count} bytes where {byte_count} were computed")

    def _end(self) -> None:
        self._parts.append(bytes(END_BLOCKS * BLOCK_BYTES))
        self._flush()
        self._write(bytes(-self._byte_count % (RECORD_BLOCKS * BLOCK_BYTES)))

    def _flush(self) -> None:
        if self._parts:
            self._write(b"".join(self._parts))
            self._parts.clear()
            self._waiting_bytes = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._sums.update(data)
        try:
            self._write_all(data)
        except OSError as error:
            raise OutputFailedError(error) from error
        self._byte_count += len(data)
        self._meter.add(len(data))


class FileWriter(TarWriter):
    """Writes the content of a file by itself, where a tar of it would be written."""

    def add_header(self, header: bytes) -> None:
        """Add nothing."""

    def add_file(self, header: bytes, content: bytes) -> None:
        """Add the content."""
        self._parts.append(content)

    def end_content(self, size: int) -> None:
        """Add nothing."""

    def _end(self) -> None:
        self._flush()
