"""Extraction of single files from a delivery, by its sidecar: only their bytes are read, wherever the tars are.

The sidecar gives all entries of a chunk, so the place of every content is known. What has another digest by now is
not kept: another delivery may have it whole.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import xxhash

from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digests_of_fd
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF
from qa2pack.tarsplit.container.framing import entries
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Read, Reader, summed
from qa2pack.tarsplit.naming import SIGNED_CHECKSUM
from qa2pack.tarsplit.output_files import new_part, publish_part, remove, rename, set_time, write_all
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError
from qa2pack.tarsplit.sidecar import Sidecar
from qa2pack.tarsplit.tar.checksums import Sums

_READ_BYTES = 1 << 20
_UNCHECKED = b".unchecked"  # of a file of a chunk that is not read to its end yet
Content = tuple[int, bytes]  # size in bytes, and digest
Wanted = dict[Content, bytes]  # with the sha256 that it must have, too; empty where that is not known


def extract(sidecar: Sidecar, place: Place, wanted: Wanted, folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents into a folder, each once, and yield the path of each and that of its chunk.

    What is in a tar that is missing or cannot be read, or is not as in the sidecar, is left out. Where the sha256 of
    a file is not known but that of its chunk is, nothing of the chunk is taken that has another one; it is read as a
    whole then. What an earlier run has written into the folder is taken as it is, if it has its content.

    Args:
        place: where the chunks are.
        wanted: what is written is taken out of it.

    Raises:
        StreamError: the sidecar contradicts itself.
        OSError: the folder cannot be written.
    """
    for batch in chunk_batches(sidecar, place):
        found = {each.content: each for each in _contents(batch) if each.content in wanted}
        for content in [each for each in found if _is_there(folder, each, wanted[each])]:
            del found[content], wanted[content]
            yield _target(folder, content), batch.path
        if found:
            for content in _taken(batch, found, wanted, folder):
                del wanted[content]
                yield _target(folder, content), batch.path


def _target(folder: bytes, content: Content) -> bytes:
    return join(folder, content[1].hex().encode())


def _is_there(folder: bytes, content: Content, sha256: bytes) -> bool:
    size, digest = content
    try:
        with opened_file(_target(folder, content)) as fd:
            found = digests_of_fd(fd, size)
    except (OSError, FileGrewOrShrankError):
        return False
    return found[0] == digest and sha256 in (b"", found[1])


def _taken(batch: CheckBatch, found: Mapping[Content, "_InChunk"], wanted: Wanted, folder: bytes) -> list[Content]:
    """Write what is found in a chunk, as far as it is as in the sidecar; return what was written."""
    sha256 = "" if all(wanted[content] for content in found) else dict(batch.row.checksums).get(SIGNED_CHECKSUM, "")
    sums = Sums((SIGNED_CHECKSUM,))
    taken: list[Content] = []
    is_right = not sha256
    with (
        suppress(PlaceError, FileNotFoundError, EndedError, DamagedError),
        batch.place.opened(batch.row.name) as opened,
    ):
        read = summed(opened.read, sums) if sha256 else opened.read
        is_packed = batch.row.form is DeliveryForm.TGZ
        file = _Forward(Gunzip(read).read if is_packed else read) if sha256 or is_packed else opened
        for content, each in found.items():
            with suppress(_OtherContentError):
                _copy(file, each, wanted[content], _target(folder, content) + _UNCHECKED)
                taken.append(content)
        if sha256:
            while read(_READ_BYTES):
                pass
            is_right = sums.result(SIGNED_CHECKSUM) == sha256
    for target in (_target(folder, content) for content in taken):
        if is_right:
            rename(target + _UNCHECKED, target)
        else:
            remove(target + _UNCHECKED)
    return taken if is_right else []


class _Forward:
    """What is read from the beginning on, with seeking forward alone."""

    def __init__(self, read: Read) -> None:
        self._reader = Reader(read)

    def seek(self, offset: int) -> int:
        """Pass over what is before a place."""
        self._reader.skip(offset - self._reader.offset)
        return offset

    def read(self, size: int) -> bytes:
        """Return exactly this many bytes; raises as `Reader.read`."""
        return self._reader.read(size)


class _OtherContentError(Exception):
    """What is in the place of a file is not its content."""


@dataclass(frozen=True, slots=True)
class _InChunk:
    """Where in a chunk a file is.

    Attributes:
        offset: of its content, in bytes.
        mtime_ns: of the file, ns since the epoch.
    """

    offset: int
    content: Content
    mtime_ns: int


def _contents(batch: CheckBatch) -> Iterator[_InChunk]:
    """Yield where each file of the chunk is."""
    offset, framing = 0, batch.framing()
    for header, record, index in entries(framing, batch.part):
        offset += len(header)
        if index != FOLDER_ITSELF:
            size = record.sizes[index]
            yield _InChunk(offset, (size, record.digest(index)), record.mtimes[index])
            offset += size + len(framing.after_file(size))


def _copy(file: OpenedFile | _Forward, found: _InChunk, expected: bytes, target: bytes) -> None:
    """Write one file.

    Args:
        expected: the sha256 that it must have; empty if that is not known.

    Raises:
        _OtherContentError: it has another content.
    """
    size, digest = found.content
    state, sha256 = xxhash.xxh3_128(), hashlib.sha256()
    file.seek(found.offset)
    with new_part(target) as fd:
        while size:
            block = file.read(min(size, _READ_BYTES))
            if not block:
                raise EndedError
            write_all(fd, block)
            state.update(block)
            if expected:
                sha256.update(block)
            size -= len(block)
        if digest != state.digest() or expected not in (b"", sha256.digest()):
            raise _OtherContentError
        set_time(fd, found.mtime_ns)
        publish_part(fd, target)
