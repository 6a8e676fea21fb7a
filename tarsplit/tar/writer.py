"""The tar that grows: small parts are gathered into large writes, big ones go straight through; all is summed."""

from itertools import cycle

from qa2pack.manifest.fs.digest import aligned_buffer
from qa2pack.tarsplit.output_files import write_all
from qa2pack.tarsplit.tar.checksums import Sums
from qa2pack.tarsplit.tar.header import BLOCK_BYTES, END_BLOCKS, RECORD_BLOCKS

_FLUSH_BYTES = 1 << 20
_PADDING = [bytes(count) for count in range(BLOCK_BYTES)]


class OutputFailedError(Exception):
    """The tar cannot be written; told apart from a source that cannot be read.

    Attributes:
        error: what the system said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class TarWriter:
    """Writes entries to an open file."""

    def __init__(self, fd: int, sums: Sums) -> None:
        self._fd = fd
        self._sums = sums
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._byte_count = 0
        buffer = aligned_buffer()
        half = len(buffer) // 2
        # In turn, over all files: the block before may still be summed while the next is read.
        self._blocks = cycle((buffer[:half], buffer[half:]))

    def add_header(self, header: bytes) -> None:
        """Add the header of a folder, or of a file whose content comes in blocks."""
        self._parts.append(header)
        self._waiting_bytes += len(header)

    def add_file(self, header: bytes, content: bytes) -> None:
        """Add a file as a whole."""
        size = len(content)
        self._parts += header, content, _PADDING[-size % BLOCK_BYTES]
        self._waiting_bytes += len(header) + size
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()

    def free_block(self) -> memoryview:
        """Return page-aligned memory for the next block; it is not to be touched once that was added."""
        return next(self._blocks)

    def add_block(self, block: memoryview) -> None:
        """Add a part of a content, in the memory that `free_block` gave."""
        self._flush()
        self._write(block)

    def end_content(self, size: int) -> None:
        """End a content of that size, which came in blocks."""
        self.add_header(_PADDING[-size % BLOCK_BYTES])

    def finish(self, byte_count: int) -> None:
        """Write the end of the tar; its size must be what was computed."""
        self._parts.append(bytes(END_BLOCKS * BLOCK_BYTES))
        self._flush()
        self._write(bytes(-self._byte_count % (RECORD_BLOCKS * BLOCK_BYTES)))
        if self._byte_count != byte_count:
            raise RuntimeError(f"wrote {self._byte_count} bytes where {byte_count} were computed")

    def _flush(self) -> None:
        if self._parts:
            self._write(b"".join(self._parts))
            self._parts.clear()
            self._waiting_bytes = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._sums.update(data)
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise OutputFailedError(error) from error
        self._byte_count += len(data)
