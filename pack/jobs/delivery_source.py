"""Source of a delivery: reads its chunks for an apply that receives it; opens it again when one goes on."""

import atexit
import os
from collections import deque
from collections.abc import Iterator, Set
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.stage.receive import ReceivedChunk
from qa2pack.executor.stage.received_tree import ReceivedFiles, ReceivedTree
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.delivery_form import TREES
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.header import ReceivedDelivery
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_file_count, record_path
from qa2pack.manifest.path import check_relative, folders_above, join
from qa2pack.manifest.plan.receiving import is_of_any, wanted_records
from qa2pack.manifest.problem import Code, Problem, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.signature.names import signature_name
from qa2pack.tarsplit.check import chunk_batches, problems_of_checksum_files
from qa2pack.tarsplit.check_chunk import CheckBatch, CheckResult, check_chunk
from qa2pack.tarsplit.naming import checksum_name
from qa2pack.tarsplit.packing.bins import without
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.sidecar import ChunkRow, Sidecar, open_sidecar

_WEAK = ("md5", "xxh128")
_AS_IT_WAS = (
    Remedy("Put the delivery back as it was, then:", ("pack apply PACKAGE",)),
    Remedy("To give it up:", ("pack rollback PACKAGE",)),
)


@dataclass(frozen=True, slots=True)
class ReceiveBatch:
    """One chunk to read, and where its files go."""

    check: CheckBatch
    place: ReceivedTree


def receive_chunk(batch: ReceiveBatch) -> ReceivedChunk:
    """Read one chunk, compare it with the sidecar, and write its files.

    Raises:
        OSError: the files cannot be written.
    """
    with ReceivedFiles(batch.place) as files:
        result = check_chunk(batch.check, files)
    row = batch.check.row
    return ReceivedChunk(row.name, row.file_count, row.byte_count, problems_of_chunk(result))


def problems_of_chunk(result: CheckResult) -> tuple[Problem, ...]:
    """Return the problems of a chunk with absolute paths."""
    path = result.batch.place.path
    return tuple(
        replace(problem, path=join(path, problem.path))
        for problem in result.problems
        if problem.code is not Code.EXTRA  # what is beside the files of a folder is not received
    )


class SidecarSource:
    """Members of a delivery, of which the sidecar is opened.

    Attributes:
        members: those that are received, sorted.
        place: where the sidecar and the tars are.

    Raises:
        StreamError: the sidecar contradicts itself.
    """

    def __init__(self, sidecar: Sidecar, members: tuple[bytes, ...]) -> None:
        self.sidecar = sidecar
        self.members = members
        self.place = place_at(os.path.dirname(sidecar.path))
        self._checks = [_with_strong_checksums(check) for check in chunk_batches(sidecar, self.place)]

    @property
    def folder_mtime_ns(self) -> int:
        """The mtime of all its folders."""
        return self.sidecar.header.folder_mtime * 10**9

    def folders(self) -> Iterator[bytes]:
        """Yield the paths of the folders of the members, and of those above them, in path order."""
        above = folders_above(map(folder_of, self.members))
        for path in map(record_path, self.sidecar.stream.blobs()):
            check_relative(path)
            if path in above or is_of_any(path, self.members):
                yield path

    def records(self) -> Iterator[FolderRecord]:
        """Yield the records of the members, and of the folders above them, in path order."""
        return wanted_records(map(decode_record, self.sidecar.stream.blobs()), self.members)

    def records_of(self, member: bytes) -> Iterator[FolderRecord]:
        """Yield the records of one member in path order; no others are decoded."""
        is_begun = False
        for blob in self.sidecar.stream.blobs_from(folder_of(member)):
            if is_of_any(record_path(blob), [member]):
                is_begun = True
                yield decode_record(blob)
            elif is_begun:
                return

    def delivery_sets(self, member: bytes) -> tuple[DeliveryRow, ...]:
        """Return the sets by which a member was delivered; in their names are project and date of that delivery."""
        return self.sidecar.rows_of(folder_of(member))

    def all_sets(self, member: bytes) -> tuple[DeliveryRow, ...]:
        """Return all sets of a member, if it has others than those by which it was delivered."""
        return self.sidecar.all_rows_of(folder_of(member))

    @cached_property
    def needed(self) -> list[ChunkRow]:
        """The chunks that hold a file of the members which none before them holds."""
        missing = without(self._file_spans(), ())
        found = []
        for row in self.sidecar.chunks:
            left = without(missing, row.files)
            if left != missing:
                found.append(row)
                missing = left
        return found

    def chunks(
        self, place: ReceivedTree, *, done: Set[bytes], engine: Engine, progress: Progress
    ) -> Iterator[ReceivedChunk]:
        """Read the chunks that are needed and not done, the largest first; yield each when it is read."""
        checks = self.checks(done)
        rows = [check.row for check in checks]
        progress.phase(
            "receive", file_count=sum(row.file_count for row in rows), byte_count=sum(row.byte_count for row in rows)
        )
        for chunk in engine.run(receive_chunk, deque(ReceiveBatch(check, place) for check in checks)):
            progress.advance(file_count=chunk.file_count, byte_count=chunk.byte_count)
            yield chunk

    def checks(self, done: Set[bytes] = frozenset()) -> list[CheckBatch]:
        """Return the checks of the chunks that are needed and not done, the largest first."""
        names = {row.name for row in self.needed} - done
        checks = [check for check in self._checks if check.row.name in names]
        return sorted(checks, key=lambda check: check.row.byte_count, reverse=True)

    def problems_beside(self) -> Iterator[Problem]:
        """Yield the problems of checksum files of the needed chunks, and of the sidecar; whoever has this needs none.

        Raises:
            StoreError: they are in a store that fails.
        """
        rows, own = self.needed, os.path.basename(self.sidecar.path)
        names = {checksum_name(row.name, algorithm) for row in rows for algorithm, _ in row.checksums}
        names |= {checksum_name(own, algorithm) for algorithm in self.sidecar.header.checksums}
        with self.place.local(names.__contains__) as folder:
            for problem in problems_of_checksum_files(self.sidecar, rows, folder):
                if problem.code is not Code.MISSING:
                    yield replace(problem, path=join(self.place.path, problem.path))

    def _file_spans(self) -> Iterator[tuple[int, int]]:
        """Yield the half-open ranges of the files of the members, by index in the sidecar."""
        first = 0
        for blob in self.sidecar.stream.blobs():
            end = first + record_file_count(blob)
            if end > first and is_of_any(record_path(blob), self.members):
                yield first, end
            first = end


def _with_strong_checksums(check: CheckBatch) -> CheckBatch:
    """Return the check of a container without md5, which takes longer than all else; a tree has the lists of it.

    Against damage XXH3-128 of the chunk, which is compared in any case, says as much; against a forger neither does.
    """
    if check.row.form in TREES:
        return check
    checksums = tuple((name, digest) for name, digest in check.row.checksums if name not in _WEAK)
    return replace(check, row=replace(check.row, checksums=checksums))


def fetched_sidecar(path: bytes) -> bytes:
    """Return the path of a sidecar, beside which is its signature if it has one.

    One in a store is fetched into a temporary folder, which is removed when the program ends.
    """
    folder, name = os.path.split(path)
    copies = ExitStack()
    atexit.register(copies.close)
    return join(copies.enter_context(place_at(folder).local({name, signature_name(name)}.__contains__)), name)


def open_source(delivery: ReceivedDelivery) -> SidecarSource:
    """Open the delivery of a plan again.

    Raises:
        OriginChangedError: it is another one by now, or gone.
        StreamError: the file there is no sidecar.
    """
    try:
        sidecar = open_sidecar(delivery.sidecar, read_from=fetched_sidecar(delivery.sidecar))
    except FileNotFoundError:
        raise OriginChangedError((Problem(Code.MISSING, delivery.sidecar),), _AS_IT_WAS) from None
    if sidecar.stream.digest != delivery.digest:
        problem = Problem(Code.CHANGED, delivery.sidecar, "the delivery that was begun", "another")
        raise OriginChangedError((problem,), _AS_IT_WAS)
    return SidecarSource(sidecar, delivery.members)
