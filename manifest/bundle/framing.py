"""Framing of containers (tar, zip, one file alone): what is in them beside the contents, in order. Pure.

Bundles, ticket files and deliveries are written by it, and deliveries are checked by it: all of it follows from what
is known of the files, and from their contents. Compression is another layer, around this one.
"""

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator

from qa2pack.manifest.bundle.entry import Buffer
from qa2pack.manifest.bundle.tar_header import (
    BLOCK_BYTES,
    END_BLOCKS,
    RECORD_BLOCKS,
    FileRow,
    file_header,
    file_headers,
    folder_header,
)
from qa2pack.manifest.bundle.zip_header import ZipEntry, central_header, descriptor, end_of_directory, local_header

_PADDING = [bytes(count) for count in range(BLOCK_BYTES)]
_END_BYTES = END_BLOCKS * BLOCK_BYTES
_RECORD_BYTES = RECORD_BLOCKS * BLOCK_BYTES


class Framing:
    """What is before, between and behind the contents: nothing, of one file as it is. Other forms have their own.

    It is asked for in the order of the entries, each once. Times are in seconds.
    """

    def before_folder(self, _: bytes, /, *, mtime: int, mode: int) -> bytes:
        """Return the entry of a folder, given its path without a slash at the end."""
        return b""

    def before_file(self, _: bytes, /, *, size: int, mtime: int, mode: int) -> bytes:
        """Return what is before the content of a file, given its path."""
        return b""

    def before_files(self, _: bytes, files: Iterable[FileRow], /) -> Iterator[bytes]:
        """Yield the same of each file of one folder; the next one is asked for after `after_file`."""
        return (b"" for _ in files)

    def add(self, content: Buffer) -> None:
        """Take the next bytes of the content of a file."""

    def after_file(self, size: int) -> bytes:
        """Return what is behind the content of a file."""
        return b""

    def end(self, byte_count: int) -> Iterator[bytes]:
        """Yield what is behind the last entry, all before which has so many bytes."""
        return iter(())


def tar_framing() -> Framing:
    """Return that of a tar, which ends at a whole record."""
    return _TarFraming()


def zip_framing(*, large: bool, again: Callable[[], Iterable[ZipEntry]] | None = None) -> Framing:
    """Return that of a zip.

    Args:
        large: it is one of ZIP64.
        again: yields all entries once more, for the directory at its end; so only 12 bytes of each are kept.
    """
    return _ZipFraming(large, again)


class _TarFraming(Framing):
    before_folder = staticmethod(folder_header)
    before_file = staticmethod(file_header)
    before_files = staticmethod(file_headers)

    def after_file(self, size: int) -> bytes:
        return _PADDING[-size % BLOCK_BYTES]

    def end(self, byte_count: int) -> Iterator[bytes]:
        yield bytes(_END_BYTES + -(byte_count + _END_BYTES) % _RECORD_BYTES)


class _ZipFraming(Framing):
    def __init__(self, large: bool, again: Callable[[], Iterable[ZipEntry]] | None) -> None:
        self._large = large
        self._again = again
        self._entries: list[ZipEntry] = []
        self._crc = 0
        self._crcs = array("I")
        self._offsets = array("Q", [0])  # of all entries so far, and of the next one

    def before_folder(self, path: bytes, /, *, mtime: int, mode: int) -> bytes:
        header = self._begin(ZipEntry(path + b"/", 0, mtime, mode))
        self._crcs.append(0)
        return header

    def before_file(self, path: bytes, /, *, size: int, mtime: int, mode: int) -> bytes:
        return self._begin(ZipEntry(path, size, mtime, mode))

    def before_files(self, folder: bytes, files: Iterable[FileRow], /) -> Iterator[bytes]:
        return (self._begin(ZipEntry(folder + b"/" + name, *rest)) for name, *rest in files)

    def add(self, content: Buffer) -> None:
        self._crc = zlib.crc32(content, self._crc)

    def after_file(self, size: int) -> bytes:
        behind = descriptor(self._crc, size, large=self._large)
        self._crcs.append(self._crc)
        self._offsets[-1] += size + len(behind)
        return behind

    def end(self, byte_count: int) -> Iterator[bytes]:
        size, entries = 0, self._again() if self._again else self._entries
        for entry, crc, offset in zip(entries, self._crcs, self._offsets, strict=False):
            header = central_header(entry, crc=crc, offset=offset, large=self._large)
            size += len(header)
            yield header
        yield end_of_directory(entry_count=len(self._crcs), offset=byte_count, size=size, large=self._large)

    def _begin(self, entry: ZipEntry) -> bytes:
        header = local_header(entry, large=self._large)
        self._crc = 0
        self._offsets.append(self._offsets[-1] + len(header))
        if not self._again:
            self._entries.append(entry)
        return header
