"""Plan a delivery: the number of chunks, their entries and their exact sizes. Writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, RECORD_BLOCKS
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Count, Size
from qa2pack.tarsplit.contents import Delivered, delivered_records, folder_mtime
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.packing.measure import measure
from qa2pack.tarsplit.packing.partition import (
    MAX_CHUNKS,
    Chunk,
    Fill,
    Measured,
    TooManyChunksError,
    capacity_blocks,
    cut_tables,
    partition,
)
from qa2pack.tarsplit.sidecar import DeliveryHeader

DEFAULT_LIMIT_BYTES = 6 << 30
_LEAST_BYTES = RECORD_BLOCKS * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class CutRequest:
    """Options of a delivery.

    Attributes:
        name: project code and date.
        limit_bytes: maximum size of a chunk.
        checksums: names of the checksum files written beside each chunk.
    """

    name: DeliveryName
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    fill: Fill = Fill.ORDER
    checksums: tuple[str, ...] = ("md5",)


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """One chunk of the plan.

    Attributes:
        is_oversized: it holds one file that is larger than the limit.
    """

    name: bytes
    chunk: Chunk
    byte_count: int
    entry_count: int
    is_oversized: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """A planned delivery.

    Attributes:
        cut_tables: paths relative to the package of CASA tables that are too large for one chunk.
    """

    header: DeliveryHeader
    members: tuple[Delivered, ...]
    chunks: tuple[PlannedChunk, ...]
    cut_tables: tuple[bytes, ...]

    @property
    def byte_count(self) -> int:
        """Bytes of all tars."""
        return sum(chunk.byte_count for chunk in self.chunks)

    @property
    def file_count(self) -> int:
        """Files in all tars."""
        return sum(end - start for chunk in self.chunks for start, end in chunk.chunk.files)

    def records(self) -> Iterator[FolderRecord]:
        """Yield the folder records of the delivery, in path order."""
        return delivered_records(self.members)


def plan_cut(request: CutRequest, members: Sequence[Delivered], progress: Progress) -> Cut:
    """Return the plan of a delivery of these members, from one pass over their manifests.

    Raises:
        Refused: the limit is too small, or there would be more than 999 chunks.
    """
    if capacity_blocks(request.limit_bytes) <= 0:
        least, limit = Size(_LEAST_BYTES, bound="at least"), Size(request.limit_bytes)
        raise Refused(Problem(Code.CHUNK_TOO_SMALL, request.name.project, least, limit))
    header = DeliveryHeader(
        project=request.name.project,
        day=request.name.day,
        limit_bytes=request.limit_bytes,
        fill=request.fill,
        members=tuple((member.path, member.source) for member in members),
        folder_mtime=folder_mtime(members),
        checksums=request.checksums,
    )
    progress.phase("plan tars", file_count=sum(member.manifest.notes.file_count for member in members))
    folders = []
    paths = {member.path for member in members}
    for record in delivered_records(members):
        folders.append(measure(record, header.project, is_member=record.path in paths))
        progress.advance(file_count=len(record.names))
    chunks = _partition(folders, request)
    planned = tuple(
        PlannedChunk(
            name=request.name.chunk(number, len(chunks)),
            chunk=chunk,
            byte_count=chunk.byte_count,
            entry_count=sum(end - start for start, end in (*chunk.folders, *chunk.files)),
            is_oversized=chunk.byte_count > request.limit_bytes,
        )
        for number, chunk in enumerate(chunks, 1)
    )
    return Cut(header, tuple(members), planned, cut_tables(folders, request.limit_bytes))


def _partition(folders: Sequence[Measured], request: CutRequest) -> list[Chunk]:
    try:
        return partition(folders, limit_bytes=request.limit_bytes, fill=request.fill)
    except TooManyChunksError as error:
        mebibytes = -(-error.enough_bytes // (1 << 20))
        most, needed = Count(MAX_CHUNKS, "tar", "at most"), Count(error.chunk_count, "tar")
        remedy = Remedy(f"Give a larger --size; {mebibytes}MiB is enough.")
        problem = Problem(Code.TOO_MANY_CHUNKS, request.name.project, most, needed)
        raise Refused(problem, remedies=(remedy,)) from error
