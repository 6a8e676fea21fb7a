"""Extraction of single files from a delivery, by its sidecar: only their bytes are read, wherever the tars are.

The sidecar gives all entries of a chunk, so the place of every content is known. What has another digest by now is
not kept: another delivery may have it whole.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import xxhash

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digests_of_fd
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, shares
from qa2pack.tarsplit.container.framing import entries
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Read, Reader, summed
from qa2pack.tarsplit.naming import SIGNED_CHECKSUM
from qa2pack.tarsplit.output_files import new_part, publish_part, remove, rename, set_time, write_all
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError
from qa2pack.tarsplit.sidecar import Sidecar

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
        found = [each for each in _contents(batch) if each.content in wanted]
        for content in dict.fromkeys(each.content for each in found):
            if _is_there(folder, content, wanted[content]):
                del wanted[content]
                yield _target(folder, content), batch.path
        found = [each for each in found if each.content in wanted]
        if found:
            take = _taken_of_tree if batch.row.form in TREES else _taken
            for content in take(batch, found, wanted, folder):
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


def _sha256_of_chunk(batch: CheckBatch, found: Iterable["_InChunk"], wanted: Wanted) -> str:
    """Return what the chunk has to have, hexadecimal; empty if that of each file is known, or if none is."""
    return "" if all(wanted[each.content] for each in found) else dict(batch.row.checksums).get(SIGNED_CHECKSUM, "")


def _taken(batch: CheckBatch, found: Sequence["_InChunk"], wanted: Wanted, folder: bytes) -> Collection[Content]:
    """Write what is found in a container, as far as it is as in the sidecar; return what was written."""
    sha256 = _sha256_of_chunk(batch, found, wanted)
    sums = Sums((SIGNED_CHECKSUM,))
    taken: set[Content] = set()
    is_right = not sha256
    with (
        suppress(PlaceError, FileNotFoundError, EndedError, DamagedError),
        batch.place.opened(batch.row.name) as opened,
    ):
        read = summed(opened.read, sums) if sha256 else opened.read
        is_packed = batch.row.form is DeliveryForm.TGZ
        file = _Forward(Gunzip(read).read if is_packed else read) if sha256 or is_packed else opened
        for each in found:
            if each.content not in taken:
                with suppress(_OtherContentError):
                    _copy(file, each, wanted[each.content], _target(folder, each.content) + _UNCHECKED)
                    taken.add(each.content)
        if sha256:
            while read(_READ_BYTES):
                pass
            is_right = sums.result(SIGNED_CHECKSUM) == sha256
    return _kept(folder, taken, taken if is_right else ())


def _taken_of_tree(
    batch: CheckBatch, found: Sequence["_InChunk"], wanted: Wanted, folder: bytes
) -> Collection[Content]:
    """Do as `_taken` with a tree, whose sha256 is that of the list of its files: a file must be in that, too."""
    sha256, shape = _sha256_of_chunk(batch, found, wanted), batch.shape()
    taken: set[Content] = set()
    lines: dict[bytes, Content] = {}
    for each in found:
        if each.content in taken:
            continue
        with (
            suppress(PlaceError, FileNotFoundError, EndedError, DamagedError, _OtherContentError),
            batch.place.opened(each.path) as opened,
        ):
            target = _target(folder, each.content) + _UNCHECKED
            of_file = _copy(opened, each, wanted[each.content], target, is_listed=bool(sha256))
            taken.add(each.content)
            if sha256 and not wanted[each.content]:
                lines[shape.lists.line(of_file.hex(), each.listed)] = each.content
    listed = _listed(batch, shape.list_path(SIGNED_CHECKSUM), sha256, lines) if lines else set()
    return _kept(folder, taken, taken - (set(lines.values()) - listed))


def _listed(batch: CheckBatch, path: bytes, sha256: str, lines: Mapping[bytes, Content]) -> set[Content]:
    """Return those of the lines that are in a list; none if that has another sha256."""
    sums = Sums((SIGNED_CHECKSUM,))
    listed: set[Content] = set()
    with suppress(PlaceError, FileNotFoundError), batch.place.opened(path) as opened:
        left = b""
        while block := opened.read(_READ_BYTES):
            sums.update(block)
            *whole, left = (left + block).split(b"\n")
            listed.update(lines[line + b"\n"] for line in whole if line + b"\n" in lines)
    return listed if sums.result(SIGNED_CHECKSUM) == sha256 else set()


def _kept(folder: bytes, written: Iterable[Content], right: Collection[Content]) -> Collection[Content]:
    """Give what was written its name if it is right, and remove the rest; return what is right."""
    for content in written:
        target = _target(folder, content)
        if content in right:
            rename(target + _UNCHECKED, target)
        else:
            remove(target + _UNCHECKED)
    return right


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
        path: of the container, or in a tree its own.
        listed: its path in the list of a tree: relative to the package.
        offset: of its content, in bytes.
        mtime_ns: of the file, ns since the epoch.
    """

    path: bytes
    listed: bytes
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
            listed = join(record.path, record.names[i])
            yield _InChunk(join(folder, record.names[i]), listed, 0, content, record.mtimes[i])


def _in_container(batch: CheckBatch) -> Iterator[_InChunk]:
    offset, framing = 0, batch.framing()
    for header, record, index in entries(framing, batch.part):
        offset += len(header)
        if index != FOLDER_ITSELF:
            size = record.sizes[index]
            yield _InChunk(batch.row.name, b"", offset, (size, record.digest(index)), record.mtimes[index])
            offset += size + len(framing.after_file(size))


def _copy(
    file: OpenedFile | _Forward, found: _InChunk, expected: bytes, target: bytes, *, is_listed: bool = False
) -> bytes:
    """Write one file, and return its sha256, if that is needed.

    Args:
        expected: the sha256 that it must have; empty if that is not known.
        is_listed: the sha256 is looked for in a list.

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
            if expected or is_listed:
                sha256.update(block)
            size -= len(block)
        if digest != state.digest() or expected not in (b"", sha256.digest()):
            raise _OtherContentError
        set_time(fd, found.mtime_ns)
        publish_part(fd, target)
    return sha256.digest()
