"""Inside of a bundle: reads a tar or compressed file once, and tells which files in it are not as recorded."""

from collections.abc import Iterable, Iterator, Mapping

import xxhash

from qa2pack.manifest.bundle.entry import Buffer, BundleEntry
from qa2pack.manifest.bundle.form import Form, form_of
from qa2pack.manifest.bundle.read import BundleError, read_bundle
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.inside import Inside, inside_of
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.problem import Value
from qa2pack.manifest.quantity import Digest, Size
from qa2pack.manifest.table_lock import LOCK_BYTES, is_table_lock, row_count_of

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as recorded.

    Attributes:
        path: in the bundle; empty where it is the bundle itself.
    """

    path: bytes
    expected: Value
    found: Value


@dataclass(frozen=True, slots=True)
class SeenBundle:
    """A bundle that was read: size and XXH3-128 of its bytes, and what in it is not as recorded.

    Attributes:
        row_counts: what each `table.lock` in it tells (see `manifest.table_lock`), by its path in the bundle.
    """

    size: int
    digest: bytes
    differences: tuple[Difference, ...]
    row_counts: Mapping[bytes, int | None]


def look_into(fd: int, task: BundleTask) -> SeenBundle:
    """Read an open bundle from its beginning to its end and compare the files in it with those of the records.

    What can be decoded of a damaged one is compared.

    Raises:
        OSError: it cannot be read.
    """
    source = _Source(fd)
    row_counts: dict[bytes, int | None] = {}
    differences = tuple(_differences(source, task, row_counts))
    while source.read(_BLOCK_BYTES):
        pass  # behind what could be decoded
    return SeenBundle(source.size, source.digest.digest(), differences, row_counts)


class _Source:
    """Reads an open file, and counts and hashes what is read."""

    def __init__(self, fd: int) -> None:
        self._blocks = blocks_of(fd)
        self._left = memoryview(b"")
        self.size = 0
        self.digest = xxhash.xxh3_128()

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; none at the end."""
        if not self._left:
            self._left = next(self._blocks, memoryview(b""))
        data = bytes(self._left[:count])
        self._left = self._left[len(data) :]
        self.size += len(data)
        self.digest.update(data)
        return data


def _differences(source: _Source, task: BundleTask, row_counts: dict[bytes, int | None]) -> Iterator[Difference]:
    form = form_of(task.path)
    if form is None:
        raise ValueError(f"no name of a bundle: {task.path!r}")
    # A compressed file has no name for what is in it.
    missing = {b"" if form is Form.GZ else inside.entry.path: inside for inside in inside_of(task)}
    rest: Value = "nothing"
    try:
        for entry, blocks in read_bundle(source.read, form):
            inside = missing.pop(entry.path, None)
            if inside is None:
                yield Difference(entry.path, "nothing", _kind(entry))
            elif inside.entry.is_folder is not entry.is_folder:
                yield Difference(entry.path, _kind(inside.entry), _kind(entry))
            elif difference := _compared(inside, _noted(inside, blocks, row_counts)):
                yield difference
    except BundleError as error:
        yield Difference(b"", "a bundle that can be read", str(error))
        rest = "nothing that can be read"
    for inside in missing.values():
        yield Difference(inside.entry.path, _kind(inside.entry), rest)


def _noted(inside: Inside, blocks: Iterable[Buffer], row_counts: dict[bytes, int | None]) -> Iterator[Buffer]:
    """Yield the blocks, and note what they tell if they are those of a `table.lock`."""
    if not is_table_lock(inside.path):
        yield from blocks
        return
    start = b""
    for block in blocks:
        start += block[: LOCK_BYTES - len(start)]
        yield block
    row_counts[inside.entry.path] = row_count_of(start)


def _kind(entry: BundleEntry) -> str:
    return "a folder" if entry.is_folder else "a file"


def _compared(inside: Inside, blocks: Iterable[Buffer]) -> Difference | None:
    """Read the content of a file and compare it; of a `table.lock` no digest is recorded."""
    size, state = 0, xxhash.xxh3_128()
    for block in blocks:
        size += len(block)
        state.update(block)
    path = inside.entry.path
    if inside.index is None:
        return None
    if size != inside.entry.size:
        return Difference(path, Size(inside.entry.size), Size(size))
    digest = inside.record.digest(inside.index)
    if digest not in (NO_DIGEST, state.digest()):
        return Difference(path, Digest(digest.hex()), Digest(state.hexdigest()))
    return None
