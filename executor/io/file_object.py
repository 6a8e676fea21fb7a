"""File objects whose writes go through the `Disk`, collected into large ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, RawIOBase
from typing import BinaryIO, cast

from qa2pack.executor.io.disk import Disk

_BLOCK_BYTES = 1 << 20


@contextmanager
def created_file(disk: Disk, path: bytes) -> Iterator[BinaryIO]:
    """Create a file, which must not exist, and yield it for sequential writing."""
    with BufferedWriter(_DiskFile(disk, disk.create(path)), _BLOCK_BYTES) as file:
        yield cast("BinaryIO", file)


class _DiskFile(RawIOBase):
    def __init__(self, disk: Disk, fd: int) -> None:
        self._disk = disk
        self._fd = fd

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: object) -> int:
        view = memoryview(cast("bytes", data)).cast("B")
        self._disk.write(self._fd, view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            finally:
                os.close(self._fd)
