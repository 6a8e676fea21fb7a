"""Extraction of single files from a delivery, by its sidecar: only their bytes are read, wherever the tars are.

The sidecar gives all entries of a chunk, so the place of every content is known. What has another digest by now is
not kept: another delivery may have it whole.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from qa2pack.manifest.bundle.ocfl_object import OBJECT_INVENTORY
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.table_lock import is_table_lock, rows_of_digest
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, shares
from qa2pack.tarsplit.container.framing import entries
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Read, Reader, summed
from qa2pack.tarsplit.content_copy import (
    Content,
    Located,
    OtherContentError,
    Wanted,
    copy_content,
    is_copied,
    keep_copies,
    target_of,
)
from qa2pack.tarsplit.naming import STRONG_CHECKSUMS
from qa2pack.tarsplit.place.place import Place, PlaceError, read_problem
from qa2pack.tarsplit.sidecar import Sidecar
from qa2pack.tarsplit.tree.object_shape import InventoryError
from qa2pack.tarsplit.tree.shape import Shape

_READ_BYTES = 1 << 20


Tell = Callable[[Problem], object]


def extract(
    sidecar: Sidecar, place: Place, wanted: Wanted, folder: bytes, tell: Tell
) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents into a folder, each once, and yield the path of each and that of its chunk.

    What is in a tar that is missing or cannot be read, or is not as in the sidecar, is left out. Where the sha256 of
    a file is not known but that of its chunk is, nothing of the chunk is taken that has another one; it is read as a
    whole then. What an earlier run has written into the folder is taken as it is, if it has its content.

    Args:
        place: where the chunks are.
        wanted: what is written is taken out of it.
        tell: called with what could not be read of the delivery, its path that of the place and in it.

    Raises:
        StreamError: the sidecar contradicts itself.
        OSError: the folder cannot be written.
    """
    for batch in chunk_batches(sidecar, place):
        locks = [content for content in wanted if rows_of_digest(content[1]) is not None]
        found = [each for known in _contents(batch, tell) for each in _that_may_be(known, wanted, locks)]
        for content in dict.fromkeys(each.content for each in found):
            if is_copied(folder, content, wanted[content]):
                del wanted[content]
                yield target_of(folder, content), batch.path
        found = [each for each in found if each.content in wanted]
        if found:
            take = _taken_of_tree if batch.row.form in TREES else _taken
            for content in take(batch, found, wanted, folder, tell):
                del wanted[content]
                yield target_of(folder, content), batch.path


def _that_may_be(known: Located, wanted: Container[Content], locks: Iterable[Content]) -> Iterator[Located]:
    """Yield a file if its content is wanted; a `table.lock` as each wanted one, as any with those rows will do."""
    if known.content in wanted:
        yield known
    elif known.is_lock:
        yield from (replace(known, content=content) for content in locks if content[0] == known.content[0])


def _strong_of_chunk(batch: CheckBatch, found: Iterable[Located], wanted: Wanted) -> tuple[str, str]:
    """Return name and digest of what the chunk has to have; empty if that of each file is known, or if none is."""
    if all(wanted[each.content] for each in found):
        return "", ""
    return next((each for each in batch.row.checksums if each[0] in STRONG_CHECKSUMS), ("", ""))


@contextmanager
def _reading(place: Place, name: bytes, tell: Tell) -> Iterator[None]:
    """End the block, and tell of it, where a file of this name is not there or cannot be read to its end."""
    try:
        yield
    except FileNotFoundError:
        problem = Problem(Code.MISSING, name)
    except PlaceError as error:
        problem = read_problem(error, place, name)
    except EndedError:
        problem = Problem(Code.TRUNCATED, name, "all of the entry")
    except DamagedError as error:
        problem = Problem(Code.CHANGED, name, "compressed content", str(error))
    except InventoryError as error:
        problem = Problem(Code.CHANGED, join(name, OBJECT_INVENTORY), "that of the delivery", str(error))
    else:
        return
    tell(replace(problem, path=join(place.path, problem.path)))


def _taken(
    batch: CheckBatch, found: Sequence[Located], wanted: Wanted, folder: bytes, tell: Tell
) -> Collection[Content]:
    """Write what is found in a container, as far as it is as in the sidecar; return what was written."""
    strong, digest = _strong_of_chunk(batch, found, wanted)
    sums = Sums(filter(None, (strong,)))
    taken: set[Content] = set()
    is_right = not strong
    name = batch.row.name
    with _reading(batch.place, name, tell), batch.place.opened(name) as opened:
        read = summed(opened.read, sums) if strong else opened.read
        is_packed = batch.row.form is DeliveryForm.TGZ
        file = _Forward(Gunzip(read).read if is_packed else read) if strong or is_packed else opened
        for each in found:
            if each.content not in taken:
                with suppress(OtherContentError):
                    copy_content(file, each, wanted[each.content], folder)
                    taken.add(each.content)
        if strong:
            while read(_READ_BYTES):
                pass
            is_right = sums.result(strong) == digest
    return keep_copies(folder, taken, taken if is_right else ())


def _taken_of_tree(
    batch: CheckBatch, found: Sequence[Located], wanted: Wanted, folder: bytes, tell: Tell
) -> Collection[Content]:
    """Do as `_taken` with a tree, whose checksum is that of the list of its files: a file must be in that, too."""
    (strong, digest), shape = _strong_of_chunk(batch, found, wanted), batch.shape()
    taken: set[Content] = set()
    lines: dict[bytes, Content] = {}
    for each in found:
        if each.content in taken:
            continue
        with (
            suppress(OtherContentError),
            _reading(batch.place, each.path, tell),
            batch.place.opened(each.path) as opened,
        ):
            sums = Sums(filter(None, (strong,)))
            copy_content(opened, each, wanted[each.content], folder, sums)
            taken.add(each.content)
            if strong and not wanted[each.content]:
                lines[shape.lists.line(sums.result(strong), each.listed)] = each.content
    listed = _listed(batch, shape, strong, digest, lines, tell) if lines else set()
    return keep_copies(folder, taken, taken - (set(lines.values()) - listed))


def _listed(
    batch: CheckBatch, shape: Shape, checksum: str, digest: str, lines: Mapping[bytes, Content], tell: Tell
) -> set[Content]:
    """Return those of the lines that are in the list of a tree; none if that has another digest."""
    sums = Sums((checksum,))
    listed: set[Content] = set()
    paths = (join(each.record.path, each.record.names[i]) for each in shares(batch.part) for i in each.files)
    name = shape.list_path(checksum)
    with _reading(batch.place, name, tell), batch.place.opened(name) as opened:
        for line in shape.lines(iter(partial(opened.read, _READ_BYTES), b""), paths):
            sums.update(line)
            if line in lines:
                listed.add(lines[line])
    return listed if sums.result(checksum) == digest else set()


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


def _contents(batch: CheckBatch, tell: Tell) -> Iterator[Located]:
    """Yield where each file of the chunk is."""
    return _in_tree(batch, tell) if batch.row.form in TREES else _in_container(batch)


def _in_tree(batch: CheckBatch, tell: Tell) -> Iterator[Located]:
    shape = None
    with _reading(batch.place, batch.row.name, tell):
        shape = batch.shape()
    for share in shares(batch.part) if shape else ():
        record = share.record
        for i in share.files:
            content = record.sizes[i], record.digest(i)
            listed = join(record.path, record.names[i])
            path = join(batch.row.name, shape.file(record.path, record.names[i]))
            is_lock = is_table_lock(record.names[i])
            yield Located(path, content, record.mtimes[i], listed=listed, is_lock=is_lock)


def _in_container(batch: CheckBatch) -> Iterator[Located]:
    offset, framing = 0, batch.framing()
    for header, record, index in entries(framing, batch.part):
        offset += len(header)
        if index != FOLDER_ITSELF:
            size = record.sizes[index]
            content, is_lock = (size, record.digest(index)), is_table_lock(record.names[index])
            yield Located(batch.row.name, content, record.mtimes[index], offset, is_lock=is_lock)
            offset += size + len(framing.after_file(size))
