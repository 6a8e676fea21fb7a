"""Extraction of single files from a delivery, by its sidecar: only their bytes are read, wherever the tars are.

The sidecar gives all entries of a chunk, so the place of every content is known. What is written is not compared
here: whoever uses it knows the digest that it should have.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qa2pack.manifest.bundle.tar_header import padded
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF
from qa2pack.tarsplit.output_files import new_part, publish_part, set_time, write_all
from qa2pack.tarsplit.sidecar import Sidecar
from qa2pack.tarsplit.store.store import Store, StoreError

_READ_BYTES = 1 << 20
Content = tuple[int, bytes]  # size in bytes, and digest


def extract(
    sidecar: Sidecar, wanted: set[Content], folder: bytes, store: Store | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents into a folder, each once, and yield the path of each and that of its chunk.

    What is in a tar that is missing or cannot be read is left out.

    Args:
        wanted: what is written is taken out of it.
        store: where the chunks are; None for the folder of the sidecar.

    Raises:
        StreamError: the sidecar contradicts itself.
        OSError: the folder cannot be written.
    """
    for batch in chunk_batches(sidecar, os.path.dirname(sidecar.path), store):
        places = [place for place in _places(batch) if place.content in wanted]
        if not places:
            continue
        try:
            with _opened(batch) as (seek, read):
                for place in places:
                    if place.content in wanted:
                        seek(place.offset)
                        target = join(folder, place.content[1].hex().encode())
                        _copy(read, place, target)
                        wanted.remove(place.content)
                        yield target, batch.path
        except (_UnreadableError, StoreError, FileNotFoundError):
            continue


class _UnreadableError(Exception):
    """A chunk that cannot be read, or ends too early."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a chunk a file is.

    Attributes:
        offset: of its content, in bytes.
        mtime_ns: of the file, ns since the epoch.
    """

    offset: int
    content: Content
    mtime_ns: int


def _places(batch: CheckBatch) -> Iterator[_Place]:
    """Yield where each file of the chunk is."""
    offset = 0
    for header, record, index in batch.entries():
        offset += len(header)
        if index != FOLDER_ITSELF:
            size = record.sizes[index]
            yield _Place(offset, (size, record.digest(index)), record.mtimes[index])
            offset += padded(size)


@contextmanager
def _opened(batch: CheckBatch) -> Iterator[tuple[Callable[[int], object], Callable[[int], bytes]]]:
    """Yield how to seek in the chunk, and how to read it."""
    if batch.store:
        with batch.store.opened(batch.row.name) as file:
            yield file.seek, file.read
        return
    try:
        opened = opened_file(batch.path)
    except OSError as error:
        raise _UnreadableError from error
    with opened as fd:
        yield (lambda offset: os.lseek(fd, offset, os.SEEK_SET)), _reading(fd)


def _reading(fd: int) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return os.read(fd, size)
        except OSError as error:
            raise _UnreadableError from error

    return read


def _copy(read: Callable[[int], bytes], place: _Place, target: bytes) -> None:
    size = place.content[0]
    with new_part(target) as fd:
        while size:
            block = read(min(size, _READ_BYTES))
            if not block:
                raise _UnreadableError
            write_all(fd, block)
            size -= len(block)
        set_time(fd, place.mtime_ns)
        publish_part(fd, target)
