"""Cut of one delivery set: its share of the delivery, measured, and divided into chunks. Pure."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from qa2pack.manifest.format.delivery_row import DeliveryRow, named
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Count
from qa2pack.tarsplit.contents import Selected
from qa2pack.tarsplit.naming import chunk_name
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
from qa2pack.tarsplit.selection import spread

NO_LIMIT_BYTES = 1 << 62
_MOST_LEFT_OUT = 20


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """One chunk of the plan.

    Attributes:
        is_oversized: it holds one file that is larger than the limit.
        is_file: it is one file of the package as it is, no tar.
        set: name of its delivery set; empty if the delivery has none.
    """

    name: bytes
    chunk: Chunk
    byte_count: int
    entry_count: int
    is_oversized: bool
    is_file: bool = False
    set: str = ""


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

    def add(self, each: Selected, own: int, number: int, first_file: int, *, project: bytes, is_member: bool) -> None:
        """Add what the set has of a folder.

        Args:
            own: index of the set.
            number, first_file: index of the folder, and of its first file, in the whole delivery.
        """
        indexes = [index for index, found in enumerate(each.sets) if found == own]
        record = each.record.selected(indexes)
        measured = measure(record, project, is_member=is_member)
        has_folder = each.folder_set == own
        self.folders.append(measured if has_folder else replace(measured, blocks=0))
        self.has_folder.append(has_folder)
        self.folder_places.append(number)
        self.file_places.extend(first_file + index for index in indexes)
        self.sizes.extend(record.sizes)

    def chunks(self, row: DeliveryRow, project: bytes, fill: Fill) -> Iterator[PlannedChunk]:
        """Yield the chunks of the set."""
        if not row.is_tar:
            for place, size in zip(self.file_places, self.sizes, strict=True):  # one, or none
                chunk = Chunk((), ((place, place + 1),), 0)
                yield PlannedChunk(
                    named(row.file, {}), chunk, size, 1, is_oversized=False, is_file=True, set=row.name
                )
            return
        limit = row.limit_bytes or NO_LIMIT_BYTES
        chunks = partitioned(self.folders, project, limit_bytes=limit, fill=fill)
        for number, chunk in enumerate(chunks, 1):
            placed = Chunk(
                tuple(spread(self._own(chunk.folders), self.folder_places)),
                tuple(spread(chunk.files, self.file_places)),
                chunk.blocks,
            )
            yield PlannedChunk(
                name=chunk_name(row.file, number, len(chunks)),
                chunk=placed,
                byte_count=placed.byte_count,
                entry_count=placed.entry_count,
                is_oversized=placed.byte_count > limit,
                set=row.name,
            )

    def _own(self, spans: Iterable[Span]) -> Iterator[Span]:
        """Yield the folders of these whose entry is in the set."""
        for start, end in spans:
            yield from ((number, number + 1) for number in range(start, end) if self.has_folder[number])
