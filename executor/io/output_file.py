"""Output files outside the package, written atomically: complete under their name, or absent."""

import os
from collections.abc import Iterable

from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.manifest.fs.named_errors import naming
from qa2pack.manifest.fs.presence import is_there

PARTIAL = b".qa2pack-partial"  # suffix of an incomplete output


def write_output(disk: Disk, path: bytes, blocks: Iterable[bytes], *, is_replacing: bool) -> None:
    """Write a file from blocks, on disk when this returns.

    Args:
        path: absolute.
        is_replacing: an existing file may be replaced; otherwise the path must not exist.

    Raises:
        FileExistsError: the path exists.
        OSError: the disk fails; it has a path. In both cases an existing file stays, and no temporary file is left.
    """
    partial = path + PARTIAL
    if is_there(partial):
        disk.unlink(partial)
    fd = disk.create(partial)
    try:
        try:
            for block in blocks:
                with naming(path):
                    disk.write(fd, block)
            with naming(path):
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
