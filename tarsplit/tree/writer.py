"""Tree writer: writes the files of a package into a tree, each by itself, and what is beside them.

A file of an earlier run is kept where it is as it should be. Its source is read all the same, for the lists of
checksums.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import cycle

from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.digest import aligned_buffer
from qa2pack.manifest.path import join
from qa2pack.tarsplit.checksums import Sums, threaded_sums
from qa2pack.tarsplit.chunk_entries import ChunkPart, Share
from qa2pack.tarsplit.container.writer import Output, OutputFailedError
from qa2pack.tarsplit.naming import PART
from qa2pack.tarsplit.place.place import Place, StrayError, Upload
from qa2pack.tarsplit.tree.compare import others_in
from qa2pack.tarsplit.tree.shape import Beside, Shape

BESIDE_MODE = 0o644  # of what is beside the files


class OtherContentError(Exception):
    """What a tree has of an earlier delivery is not the content of the file of this one, in spite of its XXH3-128.

    That is no accident: somebody made two files of one XXH3-128.
    """


class TreeWriter:
    """Writes files into a tree, in the order in which `begin` yields them.

    Attributes:
        is_kept: all was there.

    Args:
        place: where the tree is.
        keeps: what is there may be of an earlier run of the same delivery.
        is_read: it may be of another one, too, with files of the same sizes.
        stored: the SHA-512 of what a tree has of an earlier delivery, by size and XXH3-128.
    """

    def __init__(
        self,
        place: Place,
        name: bytes,
        shape: Shape,
        *,
        keeps: bool,
        is_read: bool = False,
        stored: Mapping[tuple[int, bytes], str] | None = None,
    ) -> None:
        self._place = place
        self._name = name
        self._on_their_way = list[bytes]()  # files that a stop left unfinished in a store: they get their names yet
        self._tree = place.tree(name, is_read=is_read) if stored is None else place.next_version(name)
        self._stored = stored or {}
        self._shape = shape
        self._keeps = self.is_kept = keeps
        self._record = FolderRecord(b"")
        self._index = 0
        self._written = b""  # the name of the last file, if it was not kept
        buffer = aligned_buffer()
        half = len(buffer) // 2
        # Two halves in turn: the thread may still compute checksums of one while the next block is read.
        self._blocks = cycle((buffer[:half], buffer[half:]))

    def begin(self, share: Share) -> Iterator[bytes]:
        """Make a folder; yield, for each of its files, what `add_file` is given with it: nothing."""
        if share.files or self._shape.has_empty_folders:
            with _marked():
                self._tree.enter(self._shape.folder(share.record.path))
        self._record = share.record
        return self._files(share)

    def add_file(self, _: bytes, content: bytes) -> None:
        """Add a file with its whole content."""
        sums = Sums(self._shape.lists.checksums)
        sums.update(content)
        if not self._shape.is_stored(sums) and not self._is_there(bytes.fromhex(sums.result())):
            _copy([content] if content else [], self._upload(), Sums(()))
        self._end(sums)

    def add_large(self, _: bytes, __: int, blocks: Iterable[memoryview]) -> None:
        """Add a file of which the blocks are in the memory of `free_block`."""
        size, digest = self._record.sizes[self._index], self._record.digest(self._index)
        with threaded_sums(self._shape.lists.checksums) as sums:
            stored = self._stored.get((size, digest), "")
            if stored or self._is_there(digest):
                for block in blocks:
                    sums.update(block)
                if stored and not self._shape.is_stored(sums):
                    raise OtherContentError(stored)
            else:
                _copy(blocks, self._upload(), sums)
                if self._shape.is_stored(sums):  # of a version before the last one, of which this is not known before
                    self.give_up()
            self._end(sums)

    def free_block(self) -> memoryview:
        """Return page-aligned memory for the next block."""
        return next(self._blocks)

    def give_up(self) -> None:
        """Remove the last file, if it was written: it was not as in the manifest."""
        if self._written:
            with _marked():
                self._tree.remove(self._written)

    def check_others(self, part: ChunkPart) -> None:
        """Look what is in a tree of an earlier run.

        Raises:
            StrayError: something is not of it: somebody put it there.
        """
        for other in others_in(self._tree.names, part, self._shape) if self._keeps else ():
            if not (self._place.goes_on and other.endswith(PART)):
                raise StrayError(join(self._tree.where, other))
            self._on_their_way.append(other)

    def finish(self) -> None:
        """Write what is beside the files, and give the tree its name.

        Raises:
            StrayError: an unfinished file is in it that is none of this tree.
        """
        for each in self._shape.beside():
            self._write_beside(each)
        for other in self._on_their_way:
            if self._place.seen(join(self._name, other)):
                raise StrayError(join(self._tree.where, other))
        with _marked():
            self._tree.finish()

    def _files(self, share: Share) -> Iterator[bytes]:
        for self._index in share.files:
            self._written = b""
            yield b""

    def _is_there(self, digest: bytes) -> bool:
        return self._has(self._record.names[self._index], self._record.sizes[self._index], digest)

    def _has(self, name: bytes, size: int, digest: bytes) -> bool:
        has = self._keeps and self._tree.has(name, size, digest)
        self.is_kept = self.is_kept and has
        return has

    def _upload(self) -> AbstractContextManager[Upload]:
        record, index = self._record, self._index
        self._written = record.names[index]
        mode, mtime_ns = record.modes[index], record.mtimes[index]
        return self._tree.upload(self._written, record.sizes[index], mode=mode, mtime_ns=mtime_ns)

    def _end(self, sums: Sums) -> None:
        self._shape.lists.add(join(self._record.path, self._record.names[self._index]), sums)

    def _write_beside(self, each: Beside) -> None:
        folder, _, name = each.path.rpartition(b"/")
        if each.is_outside:
            _copy(each.blocks, self._place.upload(name, each.size), Sums(()))
            return
        with _marked():
            self._tree.enter(folder)
        if not self._has(name, each.size, each.digest):
            _copy(each.blocks, self._tree.upload(name, each.size, mode=BESIDE_MODE, mtime_ns=None), Sums(()))


def _copy(blocks: Iterable[bytes | memoryview], uploading: AbstractContextManager[Upload], sums: Sums) -> None:
    """Write blocks into a file; what goes wrong with the file, not with the blocks, is an OutputFailedError."""
    with ExitStack() as stack:
        with _marked():
            upload = stack.enter_context(uploading)
        output = Output(upload.write, sums)
        for block in blocks:
            output.write(block)
        with _marked():
            upload.finish()


@contextmanager
def _marked() -> Iterator[None]:
    """Raise errors of the system as those of the output."""
    try:
        yield
    except OSError as error:
        raise OutputFailedError(error) from error
