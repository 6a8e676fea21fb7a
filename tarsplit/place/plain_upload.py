"""Upload of one file by what every file system of fsspec has; afterwards its size is compared.

Where an unfinished file can be opened again, one that was stopped goes on: what is there is read and compared with
what is made again, up to the first byte that differs, and only the rest is sent.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.naming import PART

_WRITE_BYTES = 16 << 20
# Where a file that is being written can be seen: it is written under another name. Elsewhere it appears when closed.
WITH_FOLDERS = frozenset({"file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "dask"})
_OF_DISK = frozenset({"file", "local"})
OF_SSH = frozenset({"sftp", "ssh"})
OF_WEB = frozenset({"http", "https"})
_OPEN_AGAIN = _OF_DISK | OF_SSH  # for reading and writing
_RENAMES_OVER = _OPEN_AGAIN  # what has the name already is exchanged in one step


class PlainUpload:
    """One file that is being sent.

    Args:
        fs: the file system of fsspec.
        size: of the file, in bytes; what is compressed may become smaller.
    """

    def __init__(self, fs: Any, path: str, size: int) -> None:
        self._fs = fs
        self._path = path
        self._protocols = protocols = protocols_of(fs)
        self._part = path + os.fsdecode(PART) if protocols & WITH_FOLDERS else path
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.invalidate_cache()
        self._there = self._sent = 0  # bytes of an earlier run; bytes that are as they should be
        if protocols & _OPEN_AGAIN:
            with suppress(FileNotFoundError):
                there = int(fs.info(self._part)["size"])
                self._there = there if there <= size else 0
        self._rest = self._there  # not compared yet
        self._file = fs.open(self._part, "r+b" if self._rest else "wb", **in_blocks(fs, _WRITE_BYTES))

    def write(self, data: bytes | memoryview) -> None:
        """Compare the next bytes with those that are there, or send them."""
        new = bytes(data)
        known = min(len(new), self._rest)
        if known:
            new = new if self._file.read(known) != new[:known] else new[known:]
            self._rest -= known
            self._sent += len(data) - len(new)
            if len(new) == len(data) or not self._rest:
                self._rest = 0
                self._file.seek(self._sent)
        if new:
            with self._told_once():
                self._file.write(new)
            self._sent += len(new)

    def finish(self) -> str:
        """Compare the size, give the file its name, and return the checksum that the place says, if any.

        Raises:
            OSError: what the store has is not what was sent.
        """
        if self._there > self._sent:  # what is compressed was larger then
            self._file.truncate(self._sent)
        with self._told_once():
            self._file.close()
        self._fs.invalidate_cache()
        found = self._fs.info(self._part)
        if found["size"] not in (None, self._sent):
            raise OSError(f"the store has {found['size']} bytes of {self._sent}")
        if self._part != self._path:
            self._give_name()
        return checksum_of(found)

    def give_up(self) -> None:
        """Remove what was sent."""
        if self._part != self._path:
            self._file.close()
            self._fs.rm_file(self._part)
        else:
            self._file.discard()

    def _give_name(self) -> None:
        if self._protocols & _OF_DISK:
            outfile.rename(os.fsencode(self._part), os.fsencode(self._path))  # fsspec would move it into a folder
            return
        if not self._protocols & _RENAMES_OVER:
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path)
        self._fs.mv(self._part, self._path)

    @contextmanager
    def _told_once(self) -> Iterator[None]:
        """When the block fails, let nothing close the file: Python 3.13 would print what the finalizer raises."""
        try:
            yield
        except Exception:
            self._file.close = lambda: None
            raise


def in_blocks(fs: Any, size: int) -> dict[str, int]:
    """Return the option by which a file system opens a file that is sent or fetched in blocks of this size.

    None by SSH: there it is the size of a packet, and OpenSSH ends the connection at one of more than 256 KiB.
    """
    return {} if protocols_of(fs) & OF_SSH else {"block_size": size}


def protocols_of(fs: Any) -> set[str]:
    """Return the names of the protocols of a file system, as addresses begin with them."""
    return {fs.protocol} if isinstance(fs.protocol, str) else {*fs.protocol}


def checksum_of(info: dict[str, Any]) -> str:
    """Return the checksum that a file system tells of a file; empty for none."""
    return str(info.get("ETag") or "").strip('"')
