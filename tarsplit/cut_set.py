"""Cut of one delivery set: its share of the delivery, measured, and divided into chunks. Pure."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace

from qa2pack.manifest.bundle.gzip_format import largest_gzip_bytes
from qa2pack.manifest.bundle.zip_header import zip_bytes
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, WITH_PARTS, DeliveryForm, own_checksums
from qa2pack.manifest.format.delivery_row import DeliveryRow, named
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Count
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.naming import chunk_name, in_tar
from qa2pack.tarsplit.packing.bins import Span
from qa2pack.tarsplit.packing.measure import measure
from qa2pack.tarsplit.packing.partition import (
    MAX_CHUNKS,
    Chunk,
    Fill,
    Measured,
    TooManyChunksError,
    partition,
)
from qa2pack.tarsplit.selection import SetShare, spread

NO_LIMIT_BYTES = 1 << 62
_MOST_LEFT_OUT = 20


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """One chunk of the plan.

    Attributes:
        is_oversized: it holds one file that is larger than the limit.
        set: name of its delivery set; empty if the delivery has none.
        checksums: that are written beside it; None: those of the delivery.
    """

    name: bytes
    made: Made
    chunk: Chunk
    entry_count: int
    is_oversized: bool = False
    set: str = ""
    checksums: tuple[str, ...] | None = None

    @property
    def byte_count(self) -> int:
        """Its size; of what is compressed, the largest that it can have."""
        return self.made.byte_count

    def sums_beside(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of its checksums, given those of the delivery."""
        return own_checksums(self.made.form, usual if self.checksums is None else self.checksums)


def part_limit(row: DeliveryRow) -> int:
    """Return how large a part of a set may be before compression, so that it is within the limit in any case."""
    limit = row.limit_bytes or NO_LIMIT_BYTES
    more = largest_gzip_bytes(limit) - limit if row.kind is DeliveryForm.TGZ else 0
    return limit - more


@dataclass(slots=True)
class LeftOut:
    """Files of the members that are in no delivery set.

    Attributes:
        first: paths of the first of them, relative to the package.
    """

    count: int = 0
    first: list[bytes] = field(default_factory=list)

    def add(self, path: bytes) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _MOST_LEFT_OUT:
            self.first.append(path)


def partitioned(folders: Sequence[Measured], project: bytes, *, limit_bytes: int, fill: Fill) -> list[Chunk]:
    """Return the chunks in order.

    Raises:
        Refused: there would be more than 999.
    """
    try:
        return partition(folders, limit_bytes=limit_bytes, fill=fill)
    except TooManyChunksError as error:
        mebibytes = -(-error.enough_bytes // (1 << 20))
        most, needed = Count(MAX_CHUNKS, "tar", "at most"), Count(error.chunk_count, "tar")
        remedy = Remedy(f"Give a larger --size, or limit of the delivery set; {mebibytes}MiB is enough.")
        problem = Problem(Code.TOO_MANY_CHUNKS, project, most, needed)
        raise Refused(problem, remedies=(remedy,)) from error


@dataclass(slots=True)
class MeasuredSet:
    """One delivery set: its share of each folder, added in order.

    Attributes:
        folders: with those of its files alone.
        folder_places, file_places: index of each in the whole delivery.
        has_folder: of each of the folders, whether its own entry is in the set.
    """

    folders: list[Measured] = field(default_factory=list)
    folder_places: "array[int]" = field(default_factory=lambda: array("Q"))
    file_places: "array[int]" = field(default_factory=lambda: array("Q"))
    has_folder: list[bool] = field(default_factory=list)
    sizes: "array[int]" = field(default_factory=lambda: array("Q"))
    name_bytes: int = 0

    def add(
        self, folder: FolderRecord, share: SetShare, number: int, first_file: int, *, project: bytes, is_member: bool
    ) -> None:
        """Add what the set has of a folder.

        Args:
            number, first_file: index of the folder, and of its first file, in the whole delivery.
        """
        record = folder.selected(share.files)
        measured = measure(record, project, is_member=is_member)
        self.folders.append(measured if share.has_folder else replace(measured, blocks=0))
        self.has_folder.append(share.has_folder)
        self.folder_places.append(number)
        self.file_places.extend(first_file + index for index in share.files)
        self.sizes.extend(record.sizes)
        self.name_bytes += _name_bytes(record, project, has_folder=share.has_folder)

    def chunks(self, row: DeliveryRow, project: bytes, fill: Fill, *, level: int) -> Iterator[PlannedChunk]:
        """Yield the chunks of the set.

        Args:
            level: of what is compressed.
        """
        if row.kind in WITH_PARTS:
            yield from self._parts(row, project, fill, level if row.kind is DeliveryForm.TGZ else 0)
        elif self.folders:
            yield self._whole(row)

    def _whole(self, row: DeliveryRow) -> PlannedChunk:
        """Return the only chunk of a set that has one."""
        is_file = row.kind is DeliveryForm.FILE
        has_framing = not is_file and row.kind not in TREES
        folders = [] if is_file else self._own([(0, len(self.folders))])
        files = spread([(0, len(self.sizes))], self.file_places)
        chunk = Chunk(tuple(spread(folders, self.folder_places)), tuple(files), 0)
        return PlannedChunk(
            name=named(row.file, {}),
            made=Made(row.kind, self._zip_bytes() if has_framing else sum(self.sizes)),
            chunk=chunk,
            entry_count=chunk.entry_count,
            set=row.name,
            checksums=row.checksums,
        )

    def _zip_bytes(self) -> int:
        return zip_bytes(
            file_count=len(self.sizes),
            folder_count=sum(self.has_folder),
            name_bytes=self.name_bytes,
            content_bytes=sum(self.sizes),
        )

    def _parts(self, row: DeliveryRow, project: bytes, fill: Fill, level: int) -> Iterator[PlannedChunk]:
        limit = part_limit(row)
        chunks = partitioned(self.folders, project, limit_bytes=limit, fill=fill)
        for number, chunk in enumerate(chunks, 1):
            placed = Chunk(
                tuple(spread(self._own(chunk.folders), self.folder_places)),
                tuple(spread(chunk.files, self.file_places)),
                chunk.blocks,
            )
            yield PlannedChunk(
                name=chunk_name(row.file, number, len(chunks)),
                made=Made(row.kind, placed.byte_count, level),
                chunk=placed,
                entry_count=placed.entry_count,
                is_oversized=placed.byte_count > limit,
                set=row.name,
                checksums=row.checksums,
            )

    def _own(self, spans: Iterable[Span]) -> Iterator[Span]:
        """Yield the folders of these whose entry is in the set."""
        for start, end in spans:
            yield from ((number, number + 1) for number in range(start, end) if self.has_folder[number])


def _name_bytes(record: FolderRecord, project: bytes, *, has_folder: bool) -> int:
    """Return the length of all paths of a folder in a container, its own with a slash."""
    before = len(in_tar(project, record.path)) + 1
    return (before if has_folder else 0) + before * len(record.names) + sum(map(len, record.names))
