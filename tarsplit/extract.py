"""Extraction of single files from a delivery, by its sidecar: only their bytes are read, wherever the tars are.

The sidecar gives all entries of a chunk, so the place of every content is known. What has another digest by now is
not kept: another delivery may have it whole.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby

import xxhash

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, shares
from qa2pack.tarsplit.container.framing import entries
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Unpacked
from qa2pack.tarsplit.output_files import new_part, publish_part, set_time, write_all
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError
from qa2pack.tarsplit.sidecar import Sidecar

_READ_BYTES = 1 << 20
Content = tuple[int, bytes]  # size in bytes, and digest


def extract(sidecar: Sidecar, place: Place, wanted: set[Content], folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents into a folder, each once, and yield the path of each and that of its chunk.

    What is in a tar that is missing or cannot be read, or is not as in the sidecar, is left out.

    Args:
        place: where the chunks are.
        wanted: what is written is taken out of it.

    Raises:
        StreamError: the sidecar contradicts itself.
        OSError: the folder cannot be written.
    """
    for batch in chunk_batches(sidecar, place):
        found = [each for each in _contents(batch) if each.content in wanted]
        if not found:
            continue
        for path, inside in groupby(found, lambda each: each.path):
            with suppress(PlaceError, FileNotFoundError, EndedError, DamagedError), place.opened(path) as opened:
                file = Unpacked(opened.read) if batch.row.form is DeliveryForm.TGZ else opened
                for each in inside:
                    if each.content in wanted:
                        target = join(folder, each.content[1].hex().encode())
                        with suppress(_OtherContentError):
                            _copy(file, each, target)
                            wanted.remove(each.content)
                            yield target, batch.path


class _OtherContentError(Exception):
    """What is in the place of a file is not its content."""


@dataclass(frozen=True, slots=True)
class _InChunk:
    """Where in a chunk a file is.

    Attributes:
        path: of the container, or in a tree its own.
        offset: of its content, in bytes.
        mtime_ns: of the file, ns since the epoch.
    """

    path: bytes
    offset: int
    content: Content
    mtime_ns: int


def _contents(batch: CheckBatch) -> Iterator[_InChunk]:
    """Yield where each file of the chunk is."""
    return _in_tree(batch) if batch.row.form in TREES else _in_container(batch)


def _in_tree(batch: CheckBatch) -> Iterator[_InChunk]:
    shape = batch.shape()
    for share in shares(batch.part):
        folder, record = path_in(batch.row.name, shape.folder(share.record.path)), share.record
        for i in share.files:
            content = record.sizes[i], record.digest(i)
            yield _InChunk(join(folder, record.names[i]), 0, content, record.mtimes[i])


def _in_container(batch: CheckBatch) -> Iterator[_InChunk]:
    offset, framing = 0, batch.framing()
    for header, record, index in entries(framing, batch.part):
        offset += len(header)
        if index != FOLDER_ITSELF:
            size = record.sizes[index]
            yield _InChunk(batch.row.name, offset, (size, record.digest(index)), record.mtimes[index])
            offset += size + len(framing.after_file(size))


def _copy(file: OpenedFile | Unpacked, found: _InChunk, target: bytes) -> None:
    size, digest = found.content
    state = xxhash.xxh3_128()
    file.seek(found.offset)
    with new_part(target) as fd:
        while size:
            block = file.read(min(size, _READ_BYTES))
            if not block:
                raise EndedError
            write_all(fd, block)
            state.update(block)
            size -= len(block)
        if digest not in (state.digest(), NO_DIGEST):
            raise _OtherContentError
        set_time(fd, found.mtime_ns)
        publish_part(fd, target)
