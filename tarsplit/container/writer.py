"""Container writer: collects small entries into large writes, passes large ones through, compresses and sums up."""

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle

from qa2pack.manifest.bundle.encoder import GzipWriter
from qa2pack.manifest.fs.digest import aligned_buffer
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.chunk_entries import Share
from qa2pack.tarsplit.container.framing import ChunkFraming

_FLUSH_BYTES = 1 << 20


class OutputFailedError(Exception):
    """The container cannot be written, as opposed to a source file that cannot be read.

    Attributes:
        error: the error of the system.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Output:
    """Sums up what is written, and counts it.

    Attributes:
        byte_count: of what was written.
    """

    def __init__(self, write: Callable[[bytes | memoryview], None], sums: Sums) -> None:
        self._write = write
        self._sums = sums
        self._meter = current_meter()
        self.byte_count = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write the next bytes; they must not change before the next ones are written."""
        self._sums.update(data)
        try:
            self._write(data)
        except OSError as error:
            raise OutputFailedError(error) from error
        self.byte_count += len(data)
        self._meter.add(len(data))


class ContainerWriter:
    """Writes entries into an output.

    Attributes:
        framing: gives the headers that are added.

    Args:
        level: of the compression; 0 for none.
    """

    def __init__(self, output: Output, framing: ChunkFraming, *, level: int = 0) -> None:
        self._gzip = GzipWriter(output.write, level=level) if level else None
        self._write_out: Callable[[bytes | memoryview], None] = self._gzip.write if self._gzip else output.write
        self.framing = framing
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._byte_count = 0
        buffer = aligned_buffer()
        half = len(buffer) // 2
        # Two halves in turn: the thread may still compute checksums of one while the next block is read.
        self._blocks = cycle((buffer[:half], buffer[half:]))

    def begin(self, share: Share) -> Iterator[bytes]:
        """Add the entry of a folder, if it is in the share; yield what is before each of its files."""
        if share.has_folder:
            self.add_header(self.framing.before_folder(share.record))
        return self.framing.before_files(share)

    def add_header(self, header: bytes) -> None:
        """Add the entry of a folder, or what is before a content that follows in blocks."""
        self._parts.append(header)
        self._waiting_bytes += len(header)

    def add_file(self, header: bytes, content: bytes) -> None:
        """Add a file with its whole content."""
        size = len(content)
        self.framing.add(content)
        self._parts += header, content, self.framing.after_file(size)
        self._waiting_bytes += len(header) + size
        if self._waiting_bytes >= _FLUSH_BYTES:
            self._flush()

    def add_large(self, header: bytes, size: int, blocks: Iterable[memoryview]) -> None:
        """Add a file of which the blocks, in the memory of `free_block`, have so many bytes."""
        self.add_header(header)
        for block in blocks:
            self.add_block(block)
        self.end_content(size)

    def free_block(self) -> memoryview:
        """Return page-aligned memory for the next block; it must not be changed after `add_block`."""
        return next(self._blocks)

    def add_block(self, block: memoryview) -> None:
        """Add a block of content, in the memory that `free_block` returned."""
        self.framing.add(block)
        self._flush()
        self._write(block)

    def end_content(self, size: int) -> None:
        """End a content of this size that was added in blocks."""
        self.add_header(self.framing.after_file(size))

    def finish(self, byte_count: int) -> None:
        """Write the end; the size, before compression, must equal the computed one."""
        self._flush()
        for piece in self.framing.end(self._byte_count):
            self.add_header(piece)
            if self._waiting_bytes >= _FLUSH_BYTES:
                self._flush()
        self._flush()
        if self._byte_count != byte_count:
            raise RuntimeError(f"wrote {self._byte_count} bytes where {byte_count} were computed")
        if self._gzip:
            self._gzip.finish()

    def _flush(self) -> None:
        if self._parts:
            self._write(b"".join(self._parts))
            self._parts.clear()
            self._waiting_bytes = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._write_out(data)
        self._byte_count += len(data)
