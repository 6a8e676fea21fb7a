"""Plan a delivery: the number of chunks, their entries and their exact sizes. Writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import field

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, RECORD_BLOCKS
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Size
from qa2pack.manifest.verify.names_as_text import WrongNames, not_in_a_bag, not_in_an_object
from qa2pack.tarsplit.chunk_names import check_chunk_names
from qa2pack.tarsplit.contents import Delivered, all_sets_of, delivered_records, folder_mtime, selected_records
from qa2pack.tarsplit.cut_set import LeftOut, MeasuredSet, PlannedChunk, part_limit, partitioned
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.naming import DeliveryName, chunk_name, in_tar
from qa2pack.tarsplit.packing.measure import measure
from qa2pack.tarsplit.packing.partition import Fill, capacity_blocks, cut_tables
from qa2pack.tarsplit.sidecar import DeliveryHeader, DeliverySet

DEFAULT_LIMIT_BYTES = 6 << 30
_LEAST_BYTES = RECORD_BLOCKS * BLOCK_BYTES
_NAME_CHECKS = {DeliveryForm.BAG: not_in_a_bag, DeliveryForm.OCFL: not_in_an_object}


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
class Cut:
    """A planned delivery.

    Attributes:
        cut_tables: paths relative to the package of CASA tables that are too large for one chunk.
        empty_sets: names of the delivery sets that select nothing.
        left_out: files of the members that are in no set, where all sets are delivered.
    """

    header: DeliveryHeader
    members: tuple[Delivered, ...]
    chunks: tuple[PlannedChunk, ...]
    cut_tables: tuple[bytes, ...]
    empty_sets: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def byte_count(self) -> int:
        """Bytes of all chunks; of those that are compressed, the most that they can have."""
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
        Refused: the limit is too small, there would be more than 999 chunks, a bag or object cannot hold a name,
            or a name of a chunk is that of another file of the delivery.
    """
    sets = tuple(DeliverySet(member.path, row) for member in members for row in member.rows)
    limits = [part_limit(each.row) for each in sets] or [request.limit_bytes]
    for limit in limits:
        if capacity_blocks(limit) <= 0:
            least = Size(_LEAST_BYTES, bound="at least")
            raise Refused(Problem(Code.CHUNK_TOO_SMALL, request.name.project, least, Size(limit)))
    header = DeliveryHeader(
        project=request.name.project,
        day=request.name.day,
        limit_bytes=0 if sets else request.limit_bytes,
        fill=request.fill,
        members=tuple((member.path, member.source) for member in members),
        folder_mtime=folder_mtime(members),
        checksums=request.checksums,
        label=request.name.label,
        sets=sets,
        all_sets=tuple(DeliverySet(member.path, row) for member in members for row in all_sets_of(member)),
    )
    progress.phase("plan tars", file_count=sum(member.manifest.notes.file_count for member in members))
    return (
        _cut_sets(header, members, request.fill, progress) if sets else _cut_all(header, members, request, progress)
    )


def _cut_all(header: DeliveryHeader, members: Sequence[Delivered], request: CutRequest, progress: Progress) -> Cut:
    folders = []
    paths = {member.path for member in members}
    for record in delivered_records(members):
        folders.append(measure(record, header.project, is_member=record.path in paths))
        progress.advance(file_count=len(record.names))
    chunks = partitioned(folders, header.project, limit_bytes=request.limit_bytes, fill=request.fill)
    (file,) = header.name.of_sets
    planned = tuple(
        PlannedChunk(
            name=chunk_name(file, number, len(chunks)),
            made=Made(DeliveryForm.TAR, chunk.byte_count),
            chunk=chunk,
            entry_count=chunk.entry_count,
            is_oversized=chunk.byte_count > request.limit_bytes,
        )
        for number, chunk in enumerate(chunks, 1)
    )
    return Cut(header, tuple(members), planned, cut_tables(folders, request.limit_bytes))


def _cut_sets(header: DeliveryHeader, members: Sequence[Delivered], fill: Fill, progress: Progress) -> Cut:
    measuring = [MeasuredSet() for _ in header.sets]
    wrong = WrongNames()
    left_out = LeftOut()
    paths = {member.path for member in members}
    file = 0
    has_all = all(len(member.rows) == len(member.manifest.header.delivery_sets) for member in members)
    for number, folder in enumerate(selected_records(members, left_out.add if has_all else None)):
        for share in folder.shares:
            if reason := _NAME_CHECKS.get(header.sets[share.set].row.kind):
                for index in share.files:
                    path = in_tar(header.project, join(folder.record.path, folder.record.names[index]))
                    wrong.add(path, reason(path))
            is_member = folder.record.path in paths
            measuring[share.set].add(folder.record, share, number, file, project=header.project, is_member=is_member)
        file += len(folder.record.names)
        progress.advance(file_count=len(folder.record.names))
    wrong.end()
    levels = {member.path: member.manifest.header.compression for member in members}
    chunks: list[tuple[PlannedChunk, DeliverySet]] = []
    tables: list[bytes] = []
    for each, found in zip(header.sets, measuring, strict=True):
        of_set = found.chunks(each.row, header.project, fill, level=levels[each.member])
        chunks += ((chunk, each) for chunk in of_set)
        if each.row.limit_bytes:
            tables += cut_tables(found.folders, part_limit(each.row))
    check_chunk_names((chunk.name, each) for chunk, each in chunks)
    empty = tuple(each.row.name for each, found in zip(header.sets, measuring, strict=True) if not found.folders)
    planned = tuple(chunk for chunk, _ in chunks)
    return Cut(header, tuple(members), planned, tuple(tables), empty, left_out)
