"""File objects whose writes go through the `Disk`, for libraries that write to a file object."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedWriter, RawIOBase
from typing import IO, BinaryIO, cast

from qa2pack.executor.io.disk import Disk

_BLOCK_BYTES = 1 << 20


@contextmanager
def created_file(disk: Disk, path: bytes) -> Iterator[BinaryIO]:
    """Create a file, which must not exist, and yield it for sequential writing."""
    with BufferedWriter(_DiskFile(disk, disk.create(path)), _BLOCK_BYTES) as file:
        yield cast("BinaryIO", file)


def create_built(disk: Disk, path: bytes, build: Callable[[IO[bytes]], None]) -> None:
    """Create a file from what `build` writes into an unnamed temporary file, in which it may also seek."""
    with tempfile.TemporaryFile() as built:
        build(built)
        built.seek(0)
        with created_file(disk, path) as file:
            while block := built.read(_BLOCK_BYTES):
                file.write(block)


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
