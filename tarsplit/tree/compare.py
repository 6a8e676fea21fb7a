"""Tree compared with the sidecar: each file, what is beside them, and nothing else.

Files are read one by one, so each problem has the path of its file; where calls take long, some are read ahead. A
`Taker` may take their content, by which a delivery is received. Folders without files are not missed: neither a bag
nor a store has them.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.at_once import ahead
from qa2pack.manifest.fs.digest import BUFFER_BYTES, blocks_of
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.problem import Code, Problem, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.checksums import ALWAYS, Sums
from qa2pack.tarsplit.chunk_entries import ChunkPart, Share, shares
from qa2pack.tarsplit.container.reader import EndedError, Reader, summed
from qa2pack.tarsplit.place.place import Place, PlaceError, read_problem
from qa2pack.tarsplit.place.read_ahead import Opening, opening
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.taker import Taker
from qa2pack.tarsplit.tree.shape import Beside, Shape

# Asks the place about a folder or a file, perhaps before its turn, and returns what compares it in its turn.
_Look = Callable[[], Callable[[], None]]

_NOTHING_ELSE = "only files that the delivery names"


def tree_problems(place: Place, row: ChunkRow, part: ChunkPart, shape: Shape, taker: Taker) -> list[Problem]:
    """Return the problems of a tree, with paths that begin with its name; give the content of its files to the taker.

    Raises:
        PlaceError: what is in it cannot be listed.
    """
    if not place.names(row.name) and part.files:
        return [Problem(Code.MISSING, row.name)]
    comparing = _Tree(place, row.name, shape, taker)
    for _, compare in ahead(_looked, comparing.looks(part)):
        compare()
    comparing.compare_lists(row)
    return comparing.problems


def _looked(look: _Look) -> Callable[[], None]:
    return look()


def others_in(
    names: Callable[[bytes], Iterable[bytes]], part: ChunkPart, shape: Shape, *, passing: bytes = b""
) -> Iterator[bytes]:
    """Yield the paths in a tree of what is not of it.

    Args:
        names: returns what is in a folder of the tree.
        passing: a suffix that names of it may have besides.
    """
    for folder, known, _ in _contents(part, shape):
        others = {name for name in names(folder) if name.removesuffix(passing) not in known} - known
        yield from (join(folder, name) for name in sorted(others))


def _contents(part: ChunkPart, shape: Shape) -> Iterator[tuple[bytes, set[bytes], Share | None]]:
    """Yield each folder of a tree with the names of all that is in it, and the files of the package there."""
    inner = inner_names(shape.names, (shape.folder(share.record.path) for share in shares(part)))
    for share in shares(part):
        folder = shape.folder(share.record.path)
        files = _own(share, shape, folder)
        yield folder, files | inner.pop(folder, set()), share
    for folder, names in inner.items():
        yield folder, names, None


def _own(share: Share, shape: Shape, folder: bytes) -> set[bytes]:
    """Return the names of the files of a folder that are where its files are written; an older version has others."""
    names = (share.record.names[index] for index in share.files)
    return {name for name in names if shape.file(share.record.path, name) == join(folder, name)}


def inner_names(beside: Iterable[bytes], folders: Iterable[bytes]) -> dict[bytes, set[bytes]]:
    """Return what is in each folder of a tree beside the files of the package."""
    inner: dict[bytes, set[bytes]] = {b"": set()}
    for path in (*beside, *folders):
        below = path
        while below:
            above, _, name = below.rpartition(b"/")
            known = above in inner
            inner.setdefault(above, set()).add(name)
            if known:
                break
            below = above
    return inner


class _Tree:
    """Compares the files of a tree, in their order."""

    def __init__(self, place: Place, name: bytes, shape: Shape, taker: Taker) -> None:
        self.problems: list[Problem] = []
        self._is_right = True  # so far, but for what is not of the delivery
        self._place = place
        self._name = name
        self._shape = shape
        self._taker = taker

    def looks(self, part: ChunkPart) -> Iterator[_Look]:
        """Yield a look at each folder and at each of its files, in their order."""
        for folder, names, share in _contents(part, self._shape):
            yield partial(self._look_at_folder, path_in(self._name, folder), names)
            if share is not None:
                for index in share.files:
                    path = join(self._name, self._shape.file(share.record.path, share.record.names[index]))
                    yield partial(self._look_at_file, path, share.record, index)

    def compare_lists(self, row: ChunkRow) -> None:
        """Compare what is beside the files, and the checksums of the lists, where all was right so far."""
        if not self._is_right:
            return  # these differ too: no need to report them
        for each in self._shape.beside():
            self._tell(self._differs(each))
        for path, digest in self._shape.of_others():
            self._tell(self._differs_from(join(self._name, path), "sha512", digest))
        lists = self._shape.lists
        expected, found = (*row.checksums, ("", row.xxh128)), (*lists.results(), ("", lists.of_all))
        if expected != found and self._is_right:
            self._tell([Problem(Code.CHANGED, self._name, "the checksums of the manifest", "others")])

    def _look_at_folder(self, path: bytes, known: set[bytes]) -> Callable[[], None]:
        return partial(self._find_others, path, known, self._place.names(path))

    def _look_at_file(self, path: bytes, record: FolderRecord, index: int) -> Callable[[], None]:
        return partial(self._compare, path, record, index, opening(self._place, path, record.sizes[index]))

    def _find_others(self, path: bytes, known: set[bytes], names: Iterable[bytes]) -> None:
        """Find what is in a folder and not known."""
        self.problems += [Problem(Code.EXTRA, join(path, name), _NOTHING_ELSE) for name in sorted({*names} - known)]

    def _compare(self, path: bytes, record: FolderRecord, index: int, opened: Opening) -> None:
        """Compare a file; its content is given to the taker, unless that has it."""
        sums = Sums(self._shape.lists.checksums)
        if not self._is_taken(record, index, sums):
            sums = Sums(self._shape.lists.checksums)
            self._tell(self._read(path, record, index, opened, sums))
        self._shape.lists.add(join(record.path, record.names[index]), sums)

    def _tell(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        self._is_right = self._is_right and not found
        self.problems += found

    def _is_taken(self, record: FolderRecord, index: int, sums: Sums) -> bool:
        file = self._taker.taken(record, index)
        if file is None:
            return False
        with file as fd:
            for block in blocks_of(fd):
                sums.update(block)
        return _is_right(record, index, sums)

    def _read(self, path: bytes, record: FolderRecord, index: int, opened: Opening, sums: Sums) -> Iterator[Problem]:
        """Read a file to its end; yield a problem if it differs."""
        size = record.sizes[index]
        try:
            file = opened()
        except FileNotFoundError:
            yield Problem(Code.MISSING, path)
            return
        except PlaceError as error:
            yield read_problem(error, self._place, path)
            return
        with file:
            found, reader = file.byte_count, Reader(summed(file.read, sums))
            if found is not None and found != size:
                yield size_problem(path, size, found)
                return
            try:
                self._take(reader, record, index, sums)
                is_longer = found is None and reader.rest()
            except EndedError:
                yield Problem(Code.TRUNCATED, path, "all of the file")
            except PlaceError as error:
                yield read_problem(error, self._place, path)
            else:
                if is_longer:
                    yield Problem(Code.GROWN, path, "the end of the file", "more")
                elif not _is_right(record, index, sums):
                    yield Problem(Code.CHANGED, path, Digest(record.digest(index).hex()), Digest(sums.result()))

    def _take(self, reader: Reader, record: FolderRecord, index: int, sums: Sums) -> None:
        """Read a file, and give it to the taker, if all was right so far."""
        size = record.sizes[index]
        if size <= BUFFER_BYTES:
            content = reader.read(size)
            if _is_right(record, index, sums) and self._is_right:
                self._taker.take(record, index, content)
        elif self._is_right and self._taker.begin(record, index):
            reader.digest(size, self._taker.add)
            if _is_right(record, index, sums):
                self._taker.end()
        else:
            reader.skip(size)

    def _differs(self, each: Beside) -> Iterator[Problem]:
        path = each.path if each.is_outside else join(self._name, each.path)
        yield from self._differs_from(path, ALWAYS, each.digest.hex())

    def _differs_from(self, path: bytes, checksum: str, digest: str) -> Iterator[Problem]:
        found = Sums((checksum,))
        try:
            with self._place.opened(path) as file:
                read = summed(file.read, found)
                while read(BUFFER_BYTES):
                    pass
        except FileNotFoundError:
            yield Problem(Code.MISSING, path)
        except PlaceError as error:
            yield read_problem(error, self._place, path)
        else:
            if found.result(checksum) != digest:
                yield Problem(Code.CHANGED, path, "the checksums of the delivery", "others")


def _is_right(record: FolderRecord, index: int, sums: Sums) -> bool:
    return record.digest(index) in (bytes.fromhex(sums.result()), NO_DIGEST)
