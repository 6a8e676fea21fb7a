"""Sparse files: counts the bytes of holes, which a copy does not write and which need no free space.

A compressing file system also reports fewer blocks than the size needs, so the holes are found with SEEK_HOLE.
"""

import errno
import os

# A copy leaves out a block of zeros of this size, at a multiple of it; see executor.stage.copy.
HOLE_BYTES = 128 << 10


def hole_bytes(path: bytes, status: os.stat_result) -> int:
    """Return by how many bytes a copy of the file is smaller than its size; 0 where that is not known."""
    if status.st_size < HOLE_BYTES or status.st_blocks * 512 >= status.st_size:
        return 0
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0  # reported where the file is read
    try:
        return status.st_size - _written_bytes(fd, status.st_size)
    finally:
        os.close(fd)


def _written_bytes(fd: int, size: int) -> int:
    """Return the bytes of the blocks in which there is data."""
    written = position = 0
    while position < size:
        try:
            data = os.lseek(fd, position, os.SEEK_DATA)
            hole = os.lseek(fd, data, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # ENXIO: no data after this position
                return size
            break
        start = max(position, data - data % HOLE_BYTES)
        position = min(size, hole + -hole % HOLE_BYTES)
        written += position - start
    return written
