"""Files that are made for others, outside the package: complete under their name, or not there at all."""

import os
from collections.abc import Iterable

from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.manifest.fs.presence import is_there

PARTIAL = b".qa2pack-partial"  # behind the name of what is not complete


def write_output(disk: Disk, path: bytes, blocks: Iterable[bytes], *, is_replacing: bool) -> None:
    """Write a file from blocks, on disk when this returns.

    Args:
        path: absolute.
        is_replacing: what is there may be replaced; otherwise nothing may be there.

    Raises:
        FileExistsError: something is there.
        OSError: the disk fails. In both cases what was there before stays, and nothing is left beside it.
    """
    partial = path + PARTIAL
    if is_there(partial):
        disk.unlink(partial)
    fd = disk.create(partial)
    try:
        try:
            for block in blocks:
                disk.write(fd, block)
            disk.fsync(fd)
        finally:
            os.close(fd)
        if is_replacing:
            disk.replace(partial, path)
        else:
            disk.rename(partial, path)
    except BaseException:
        disk.unlink(partial)
        raise
    sync_folder(disk, os.path.dirname(path))
