"""Framing: what is in a container beside the contents of its files, in order. It is written, checked and read by it.

All of it follows from the records of the delivery and from the contents. So a check makes the same bytes again and
compares; it takes no length and no name from what came from elsewhere. Compression is another layer, around this one.
"""

import zlib
from array import array
from collections.abc import Iterator
from typing import Protocol, assert_never

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, END_BLOCKS, RECORD_BLOCKS
from qa2pack.manifest.bundle.zip_header import (
    ZipEntry,
    central_header,
    descriptor,
    end_of_directory,
    is_large,
    local_header,
)
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.tarsplit.chunk_entries import (
    FOLDER_ITSELF,
    FOLDER_MODE,
    ChunkPart,
    Entry,
    Share,
    header_of_folder,
    headers_of_files,
    shares,
)
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.naming import in_tar

_PADDING = [bytes(count) for count in range(BLOCK_BYTES)]
_RECORD_BYTES = RECORD_BLOCKS * BLOCK_BYTES


class Framing(Protocol):
    """What is before, between and behind the contents; asked for in the order of the entries, each once."""

    def before_folder(self, record: FolderRecord) -> bytes:
        """Return the entry of a folder."""

    def before_files(self, share: Share) -> Iterator[bytes]:
        """Yield what is before the content of each file; the next one is asked for after `after_file`."""

    def add(self, content: bytes | memoryview) -> None:
        """Take the next bytes of the content of a file."""

    def after_file(self, size: int) -> bytes:
        """Return what is behind the content of a file."""

    def end(self, byte_count: int) -> Iterator[bytes]:
        """Yield what is behind the last entry, all before which has so many bytes."""


def framing_of(made: Made, project: bytes, part: ChunkPart, *, folder_mtime: int) -> Framing:
    """Return the framing of a chunk.

    Args:
        folder_mtime: of all folders, in seconds.
    """
    match made.form:
        case DeliveryForm.TAR | DeliveryForm.TGZ:
            return _TarFraming(project, folder_mtime)
        case DeliveryForm.ZIP:
            return _ZipFraming(project, part, folder_mtime, made.plain_bytes)
        case DeliveryForm.FILE:
            return _NoFraming()
        case DeliveryForm.FOLDER | DeliveryForm.BAG | DeliveryForm.OCFL:
            raise ValueError("a tree is no container")
        case _:
            assert_never(made.form)


def entries(framing: Framing, part: ChunkPart) -> Iterator[Entry]:
    """Yield the entries of a chunk in their order; the next one is asked for when a file is done with."""
    for share in shares(part):
        if share.has_folder:
            yield framing.before_folder(share.record), share.record, FOLDER_ITSELF
        for index, header in zip(share.files, framing.before_files(share), strict=True):
            yield header, share.record, index


class _NoFraming:
    """Of one file as it is."""

    def before_folder(self, record: FolderRecord) -> bytes:
        return b""

    def before_files(self, share: Share) -> Iterator[bytes]:
        return iter([b""] * len(share.files))

    def add(self, content: bytes | memoryview) -> None:
        pass

    def after_file(self, size: int) -> bytes:
        return b""

    def end(self, byte_count: int) -> Iterator[bytes]:
        return iter(())


class _TarFraming:
    def __init__(self, project: bytes, folder_mtime: int) -> None:
        self._project = project
        self._folder_mtime = folder_mtime

    def before_folder(self, record: FolderRecord) -> bytes:
        return header_of_folder(self._project, record, self._folder_mtime)

    def before_files(self, share: Share) -> Iterator[bytes]:
        return headers_of_files(self._project, share)

    def add(self, content: bytes | memoryview) -> None:
        pass

    def after_file(self, size: int) -> bytes:
        return _PADDING[-size % BLOCK_BYTES]

    def end(self, byte_count: int) -> Iterator[bytes]:
        end_bytes = END_BLOCKS * BLOCK_BYTES
        yield bytes(end_bytes + -(byte_count + end_bytes) % _RECORD_BYTES)


class _ZipFraming:
    """Of a zip; keeps 12 bytes of each entry for the directory at its end."""

    def __init__(self, project: bytes, part: ChunkPart, folder_mtime: int, byte_count: int) -> None:
        self._project = project
        self._part = part
        self._folder_mtime = folder_mtime
        self._large = is_large(byte_count, sum(end - start for start, end in (*part.folders, *part.files)))
        self._crc = 0
        self._crcs = array("I")
        self._offsets = array("Q", [0])  # of all entries so far, and of the next one

    def before_folder(self, record: FolderRecord) -> bytes:
        header = local_header(self._folder(record), large=self._large)
        self._crcs.append(0)
        self._offsets.append(self._offsets[-1] + len(header))
        return header

    def before_files(self, share: Share) -> Iterator[bytes]:
        for entry in self._files(share):
            header = local_header(entry, large=self._large)
            self._crc = 0
            self._offsets.append(self._offsets[-1] + len(header))
            yield header

    def add(self, content: bytes | memoryview) -> None:
        self._crc = zlib.crc32(content, self._crc)

    def after_file(self, size: int) -> bytes:
        behind = descriptor(self._crc, size, large=self._large)
        self._crcs.append(self._crc)
        self._offsets[-1] += size + len(behind)
        return behind

    def end(self, byte_count: int) -> Iterator[bytes]:
        size, offsets, crcs = 0, iter(self._offsets), iter(self._crcs)
        for entry in self._entries():
            header = central_header(entry, crc=next(crcs), offset=next(offsets), large=self._large)
            size += len(header)
            yield header
        yield end_of_directory(entry_count=len(self._crcs), offset=byte_count, size=size, large=self._large)

    def _entries(self) -> Iterator[ZipEntry]:
        for share in shares(self._part):
            if share.has_folder:
                yield self._folder(share.record)
            yield from self._files(share)

    def _folder(self, record: FolderRecord) -> ZipEntry:
        return ZipEntry(in_tar(self._project, record.path) + b"/", 0, self._folder_mtime, FOLDER_MODE)

    def _files(self, share: Share) -> Iterator[ZipEntry]:
        record = share.record
        before = in_tar(self._project, record.path) + b"/"
        for i in share.files:
            yield ZipEntry(before + record.names[i], record.sizes[i], record.mtimes[i] // 10**9, record.modes[i])
