"""Check one chunk of a delivery: read the container and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. No length and no name is taken from the chunk itself. Nothing is
extracted here; a `Taker` may take the content of the files as it is read, by which a delivery is received.
"""

from collections.abc import Iterable
from dataclasses import field

import xxhash

from qa2pack.manifest.bundle.ocfl_object import OBJECT_INVENTORY
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Value, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.checksums import ALWAYS
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, ChunkPart, Entry
from qa2pack.tarsplit.container.framing import ChunkFraming, entries, framing_of
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Reader, summed
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError, read_problem
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.taken_before import Beginning, nothing_before, taken_before
from qa2pack.tarsplit.taker import NOBODY, Taker
from qa2pack.tarsplit.tree.compare import tree_problems
from qa2pack.tarsplit.tree.find_shape import shape_of
from qa2pack.tarsplit.tree.object_shape import InventoryError
from qa2pack.tarsplit.tree.shape import Amount, Shape, TreeName


@dataclass(frozen=True, slots=True)
class CheckBatch:
    """One chunk to check."""

    place: Place
    row: ChunkRow
    part: ChunkPart
    project: bytes
    folder_mtime: int

    @property
    def path(self) -> bytes:
        """Where the chunk is."""
        return join(self.place.path, self.row.name)

    def shape(self, *, is_made: bool = True) -> Shape:
        """Return what is where in a tree, or is to be where it is being made; raises as `shape_of`."""
        row = self.row
        tree = TreeName(row.name, self.project, self.folder_mtime)
        checksums = [name for name, _ in row.checksums]
        amount = Amount(row.file_count, row.byte_count)
        return shape_of(tree, row.form, checksums, amount, self.place, row.earlier, is_made=is_made)

    def framing(self) -> ChunkFraming:
        """Return what is beside the contents of a container."""
        row = self.row
        return framing_of(Made(row.form, row.byte_count), self.project, self.part, folder_mtime=self.folder_mtime)


@dataclass(slots=True)
class CheckResult:
    """The problems of one chunk."""

    batch: CheckBatch
    problems: list[Problem] = field(default_factory=list)


_WITH_BEGINNING = (DeliveryForm.TAR, DeliveryForm.FILE)  # of which a part can be left out, as nothing depends on it


def check_chunk(batch: CheckBatch, taker: Taker = NOBODY) -> CheckResult:
    """Read one chunk and compare every entry, and give the content of its files to a taker."""
    result, name = CheckResult(batch), batch.row.name
    if batch.row.form in TREES:
        return _check_tree(batch, taker)
    try:
        opened = batch.place.opened(name)
    except FileNotFoundError:
        result.problems.append(Problem(Code.MISSING, name))
        return result
    except PlaceError as error:
        result.problems.append(read_problem(error, batch.place, name))
        return result
    with opened as file:
        size = file.byte_count
        if size is not None and size != batch.row.byte_count:
            result.problems.append(size_problem(name, batch.row.byte_count, size))
        try:
            _compare(file, batch, taker, result)
        except PlaceError as error:
            result.problems.append(read_problem(error, batch.place, name))
    return result


def _check_tree(batch: CheckBatch, taker: Taker) -> CheckResult:
    try:
        return CheckResult(batch, tree_problems(batch.place, batch.row, batch.part, batch.shape(), taker))
    except PlaceError as error:
        return CheckResult(batch, [Problem(error.code, batch.row.name, found=error.text)])
    except InventoryError as error:
        if not batch.place.names(batch.row.name):
            return CheckResult(batch, [Problem(Code.MISSING, batch.row.name)])
        inventory = join(batch.row.name, OBJECT_INVENTORY)
        return CheckResult(batch, [Problem(Code.CHANGED, inventory, "that of the delivery", str(error))])


def _compare(file: OpenedFile, batch: CheckBatch, taker: Taker, result: CheckResult) -> None:
    """Compare what the chunk has behind what was taken before; all of it, where that cannot be right."""
    framing, checksums = batch.framing(), [name for name, _ in batch.row.checksums]
    coming = entries(framing, batch.part)
    if batch.row.form in _WITH_BEGINNING and not result.problems:
        beginning = taken_before(coming, checksums, taker, framing.after_file)
    else:
        beginning = nothing_before(coming, checksums)
    if beginning.byte_count:
        file.seek(beginning.byte_count)
    problems = _problems(file, beginning, framing, batch, taker, result.problems)
    if beginning.byte_count and any(problem.path == batch.row.name for problem in problems):
        file.seek(0)
        framing = batch.framing()
        nothing = nothing_before(entries(framing, batch.part), checksums)
        problems = _problems(file, nothing, framing, batch, taker, result.problems)
    result.problems = problems


def _problems(
    file: OpenedFile,
    beginning: Beginning,
    framing: ChunkFraming,
    batch: CheckBatch,
    taker: Taker,
    known: Iterable[Problem],
) -> list[Problem]:
    """Return the known problems and those behind the beginning: of entries, and only without any of the whole."""
    row, sums = batch.row, beginning.sums
    read = summed(file.read, sums)
    reader = Reader(Gunzip(read).read if row.form is DeliveryForm.TGZ else read, beginning.byte_count)
    compared = _Entries(reader, framing, batch, taker, known)
    problems = compared.problems
    try:
        for entry in beginning.rest:
            compared.compare(entry)
        compared.compare_end()
    except EndedError:
        problems.append(Problem(Code.TRUNCATED, compared.path, "all of the entry"))
    except DamagedError as error:
        problems.append(Problem(Code.CHANGED, compared.path, "compressed content", str(error)))
    if problems:
        return problems  # the checksums of the whole chunk differ too: no need to report them
    for name, expected in (*row.checksums, (ALWAYS, row.xxh128)):
        checksum = sums.result(name)
        if checksum != expected:
            problems.append(Problem(Code.CHANGED, row.name, Digest(expected, name), Digest(checksum)))
    return problems


class _Entries:
    """Compares the entries of a chunk, each as it is read."""

    def __init__(
        self, reader: Reader, framing: ChunkFraming, batch: CheckBatch, taker: Taker, known: Iterable[Problem]
    ) -> None:
        self.problems = list(known)
        self._reader = reader
        self._framing = framing
        self._batch = batch
        self._taker = taker
        self._entry: Entry | None = None

    @property
    def path(self) -> bytes:
        """The path of the last entry that was begun, from the name of the chunk on."""
        if self._entry is None:
            return self._batch.row.name
        _, record, index = self._entry
        folder = in_tar(self._batch.project, record.path)
        path = folder if index == FOLDER_ITSELF else join(folder, record.names[index])
        return join(self._batch.row.name, path)

    def compare(self, entry: Entry) -> None:
        """Compare an entry; the content of a file is given to the taker."""
        self._entry = entry
        header, record, index = entry
        if index == FOLDER_ITSELF:
            self._compare_header(header, self._reader.read(len(header)))
            return
        size = record.sizes[index]
        content = self._reader.at_once(len(header) + size)
        if content is None:
            self._compare_in_parts(entry)
            return
        found, content = content[: len(header)], content[len(header) :]
        self._compare_header(header, found)
        self._framing.add(content)
        self._compare_behind(size, record.digest(index), xxhash.xxh3_128_digest(content))
        if not self.problems:
            self._taker.take(record, index, content)

    def compare_end(self) -> None:
        """Compare what is behind the last entry, where all was right so far."""
        is_right = True
        for piece in self._framing.end(self._reader.offset):
            is_right = self._read_end(len(piece)) == piece and is_right
        if (self._reader.rest() or not is_right) and not self.problems:
            words = f"the end of the {self._batch.row.form}", "more" if is_right else "another"
            self.problems.append(Problem(Code.GROWN if is_right else Code.CHANGED, self._batch.row.name, *words))

    def _read_end(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except EndedError:
            if self.problems:
                return b""  # its size was reported already
            raise

    def _compare_in_parts(self, entry: Entry) -> None:
        """Compare a file of which the block has not all: it may be larger than memory."""
        header, record, index = entry
        size = record.sizes[index]
        self._compare_header(header, self._reader.read(len(header)))
        is_taken = not self.problems and self._taker.begin(record, index)
        found = self._reader.digest(size, self._add if is_taken else self._framing.add)
        self._compare_behind(size, record.digest(index), found)
        if is_taken and not self.problems:
            self._taker.end()

    def _add(self, content: bytes | memoryview) -> None:
        self._framing.add(content)
        self._taker.add(content)

    def _compare_header(self, expected: bytes, found: bytes) -> None:
        if found != expected:
            self._differs("the entry of the manifest", "another")

    def _compare_behind(self, size: int, expected: bytes, found: bytes) -> None:
        """Compare the digest of a content, and what is behind it."""
        behind = self._framing.after_file(size)
        is_whole = self._reader.read(len(behind)) == behind
        if expected not in (found, NO_DIGEST):
            self._differs(Digest(expected.hex()), Digest(found.hex()))
        elif not is_whole:
            self._differs("what is behind its content", "another")

    def _differs(self, expected: Value, found: Value = "") -> None:
        self.problems.append(Problem(Code.CHANGED, self.path, expected, found))
