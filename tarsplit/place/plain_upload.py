"""Upload of one file by what every file system of fsspec has, in one go; afterwards its size is compared."""

import os
from contextlib import suppress
from typing import Any

from qa2pack.tarsplit.naming import PART

_WRITE_BYTES = 16 << 20
# Where a file that is being written can be seen: it is written under another name. Elsewhere it appears when closed.
_WITH_FOLDERS = frozenset({"file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "dask"})


class PlainUpload:
    """One file that is being sent.

    Args:
        fs: the file system of fsspec.
        size: of the file, in bytes; what is compressed may become smaller.
    """

    def __init__(self, fs: Any, path: str, size: int) -> None:
        self._fs = fs
        self._path = path
        self._size = 0
        protocols = {fs.protocol} if isinstance(fs.protocol, str) else {*fs.protocol}
        self._part = path + os.fsdecode(PART) if protocols & _WITH_FOLDERS else path
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._file = fs.open(self._part, "wb", block_size=_WRITE_BYTES)

    def write(self, data: bytes | memoryview) -> None:
        """Send the next bytes."""
        self._file.write(bytes(data))
        self._size += len(data)

    def finish(self) -> str:
        """Compare the size, give the file its name, and return the checksum that is told, if any.

        Raises:
            OSError: what the store has is not what was sent.
        """
        self._file.close()
        self._fs.invalidate_cache()
        found = self._fs.info(self._part)
        if found["size"] not in (None, self._size):
            raise OSError(f"the store has {found['size']} bytes of {self._size}")
        if self._part != self._path:
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path)
            self._fs.mv(self._part, self._path)
        return checksum_of(found)

    def give_up(self) -> None:
        """Remove what was sent."""
        if self._part != self._path:
            self._file.close()
            self._fs.rm_file(self._part)
        else:
            self._file.discard()


def checksum_of(info: dict[str, Any]) -> str:
    """Return the checksum that a file system tells of a file; empty for none."""
    return str(info.get("ETag") or "").strip('"')
