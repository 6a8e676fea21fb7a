"""Check one chunk of a delivery: read the container and compare each entry with the sidecar.

The sidecar gives all entries of a chunk, so the bytes and the offset of every header are known in advance. Damage is
reported with the path of each entry that differs. No length and no name is taken from the chunk itself. Nothing is
extracted here; a `Taker` may take the content of the files as it is read, by which a delivery is received.
"""

from dataclasses import dataclass, field
from typing import Protocol

from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Value, size_problem
from qa2pack.manifest.quantity import Digest
from qa2pack.tarsplit.chunk_entries import ChunkPart, Share, shares
from qa2pack.tarsplit.container.framing import Framing, framing_of
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Reader, summed
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError
from qa2pack.tarsplit.sidecar import ChunkRow
from qa2pack.tarsplit.tar.checksums import ALWAYS, Sums


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


@dataclass(slots=True)
class CheckResult:
    """The problems of one chunk."""

    batch: CheckBatch
    problems: list[Problem] = field(default_factory=list)


class Taker(Protocol):
    """Takes the files of a chunk, one after the other, while they are read.

    After the first problem of a chunk nothing more is given to it. Its own errors end the check.
    """

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Begin the file at `index`; False if it is not wanted, and then the two others are not called."""
        ...

    def add(self, block: bytes | memoryview) -> None:
        """Take the next bytes of its content."""
        ...

    def end(self) -> None:
        """End it: all its bytes were given, and they are as in the sidecar."""
        ...


class _TakesNothing:
    """The taker of a check alone."""

    def begin(self, record: FolderRecord, index: int) -> bool:
        return False

    def add(self, block: bytes | memoryview) -> None:
        pass

    def end(self) -> None:
        pass


_NOBODY = _TakesNothing()


def check_chunk(batch: CheckBatch, taker: Taker = _NOBODY) -> CheckResult:
    """Read one chunk and compare every entry, and give the content of its files to a taker."""
    result, name = CheckResult(batch), batch.row.name
    try:
        opened = batch.place.opened(name)
    except FileNotFoundError:
        result.problems.append(Problem(Code.MISSING, name))
        return result
    except PlaceError as error:
        result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
        return result
    with opened as file:
        if file.byte_count != batch.row.byte_count:
            result.problems.append(size_problem(name, batch.row.byte_count, file.byte_count))
        try:
            _compare(file, batch, taker, result)
        except PlaceError as error:
            result.problems.append(Problem(Code.UNREADABLE, name, found=error.text))
    return result


def _compare(file: OpenedFile, batch: CheckBatch, taker: Taker, result: CheckResult) -> None:
    row = batch.row
    sums = Sums(name for name, _ in row.checksums)
    read = summed(file.read, sums)
    reader = Reader(Gunzip(read).read if row.form is DeliveryForm.TGZ else read)
    framing = framing_of(
        row.form, batch.project, batch.part, folder_mtime=batch.folder_mtime, byte_count=row.byte_count
    )
    entries = _Entries(reader, framing, batch, taker, result.problems)
    try:
        for share in shares(batch.part):
            entries.compare(share)
        entries.compare_end()
    except EndedError:
        result.problems.append(Problem(Code.TRUNCATED, entries.path, "all of the entry"))
        return
    except DamagedError as error:
        result.problems.append(Problem(Code.CHANGED, entries.path, "compressed content", str(error)))
        return
    if result.problems:
        return  # the checksums of the whole chunk differ too: no need to report them
    for name, expected in (*row.checksums, (ALWAYS, row.xxh128)):
        checksum = sums.result(name)
        if checksum != expected:
            result.problems.append(Problem(Code.CHANGED, row.name, Digest(expected, name), Digest(checksum)))


class _Entries:
    """Compares the entries of a chunk, each as it is read."""

    def __init__(
        self, reader: Reader, framing: Framing, batch: CheckBatch, taker: Taker, problems: list[Problem]
    ) -> None:
        self._reader = reader
        self._framing = framing
        self._batch = batch
        self._taker = taker
        self._problems = problems
        self._folder = self._name = b""

    @property
    def path(self) -> bytes:
        """The path of the last entry that was begun, from the name of the chunk on."""
        path = join(self._folder, self._name) if self._name else self._folder
        return join(self._batch.row.name, path)

    def compare(self, share: Share) -> None:
        """Compare the entries of a folder."""
        self._folder, self._name = in_tar(self._batch.project, share.record.path), b""
        if share.has_folder:
            self._compare_header(self._framing.before_folder(share.record))
        for index, header in zip(share.files, self._framing.before_files(share), strict=True):
            self._name = share.record.names[index]
            self._compare_file(header, share.record, index)

    def compare_end(self) -> None:
        """Compare what is behind the last entry, where all was right so far."""
        is_right = True
        for piece in self._framing.end(self._reader.offset):
            is_right = self._read_end(len(piece)) == piece and is_right
        if (self._reader.rest() or not is_right) and not self._problems:
            words = f"the end of the {self._batch.row.form}", "more" if is_right else "another"
            self._problems.append(Problem(Code.GROWN if is_right else Code.CHANGED, self._batch.row.name, *words))

    def _read_end(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except EndedError:
            if self._problems:
                return b""  # its size was told already
            raise

    def _compare_header(self, header: bytes) -> None:
        if self._reader.read(len(header)) != header:
            self._differs("the entry of the manifest", "another")

    def _compare_file(self, header: bytes, record: FolderRecord, index: int) -> None:
        size, digest = record.sizes[index], record.digest(index)
        self._compare_header(header)
        is_taken = not self._problems and self._taker.begin(record, index)
        found = self._reader.digest(size, self._take if is_taken else self._framing.add)
        behind = self._framing.after_file(size)
        is_whole = self._reader.read(len(behind)) == behind
        if digest not in (found, NO_DIGEST):
            self._differs(Digest(digest.hex()), Digest(found.hex()))
        elif not is_whole:
            self._differs("what is behind its content", "another")
        if is_taken and not self._problems:
            self._taker.end()

    def _take(self, content: bytes | memoryview) -> None:
        self._framing.add(content)
        self._taker.add(content)

    def _differs(self, expected: Value, found: Value = "") -> None:
        self._problems.append(Problem(Code.CHANGED, self.path, expected, found))
