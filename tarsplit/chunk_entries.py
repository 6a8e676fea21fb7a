"""The entries of one chunk, in path order, read from the stream of folder records.

A chunk refers to folders and files by their index in the delivery's stream. `RecordIndex` maps that to byte ranges of
the stream, so a worker reads only the records that its chunk needs.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from qa2pack.manifest.bundle.tar_header import FileRow
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import read_frames
from qa2pack.tarsplit.packing.bins import Span

FOLDER_MODE = 0o755
FOLDER_ITSELF = -1  # in place of the index of a file
# What is before it in the container; the record of its folder, and the index in that.
Entry = tuple[bytes, FolderRecord, int]


@dataclass(slots=True)
class RecordIndex:
    """Start offset and first file index of each record of a stream, plus those of the end."""

    offsets: "array[int]"
    first_files: "array[int]"

    @classmethod
    def at(cls, offset: int) -> "RecordIndex":
        """Return the empty index of a stream whose first record starts at this offset."""
        return cls(array("Q", [offset]), array("Q", [0]))

    def add(self, end_offset: int, file_count: int) -> None:
        """Add the next record."""
        self.offsets.append(end_offset)
        self.first_files.append(self.first_files[-1] + file_count)

    def folder_of(self, file: int) -> int:
        """Return the index of the folder that holds the file."""
        return bisect_right(self.first_files, file) - 1


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive records: start and end offset in the stream, index of the first folder and of the first file."""

    start: int
    end: int
    first_folder: int
    first_file: int


@dataclass(frozen=True, slots=True)
class ChunkPart:
    """The parts of the stream that hold the entries of one chunk; what a worker is given.

    Attributes:
        stream: path of a file with the records.
    """

    stream: bytes
    folders: tuple[Span, ...]
    files: tuple[Span, ...]
    segments: tuple[Segment, ...]

    @property
    def file_count(self) -> int:
        """Number of its files."""
        return sum(end - start for start, end in self.files)


@dataclass(frozen=True, slots=True)
class Share:
    """The entries of one folder that go into one chunk.

    Attributes:
        has_folder: the folder's own entry is one of them.
        files: indexes into the record.
    """

    record: FolderRecord
    has_folder: bool
    files: Sequence[int]


def chunk_part(stream: bytes, index: RecordIndex, folders: Sequence[Span], files: Sequence[Span]) -> ChunkPart:
    """Return the part of the stream that holds these spans, which must be sorted.

    Raises:
        ValueError: a span is outside the index.
    """
    if any(not 0 <= start < end < len(index.offsets) for start, end in folders) or any(
        not 0 <= start < end <= index.first_files[-1] for start, end in files
    ):
        raise ValueError("a chunk holds what the records do not")
    needed = sorted([*folders, *((index.folder_of(start), index.folder_of(end - 1) + 1) for start, end in files)])
    segments = [
        Segment(index.offsets[start], index.offsets[end], start, index.first_files[start])
        for start, end in _joined(needed)
    ]
    return ChunkPart(stream, tuple(folders), tuple(files), tuple(segments))


def shares(part: ChunkPart) -> Iterator[Share]:
    """Yield the chunk's share of each folder of which it holds at least one entry, in path order."""
    for segment in part.segments:
        folder, file = segment.first_folder, segment.first_file
        for _, blob in read_frames(part.stream, segment.start, segment.end):
            record = decode_record(blob)
            count = len(record.names)
            has_folder = any(True for _ in _common(part.folders, folder, folder + 1))
            files = [i - file for start, end in _common(part.files, file, file + count) for i in range(start, end)]
            if has_folder or files:
                yield Share(record, has_folder, files)
            folder += 1
            file += count


def rows(share: Share) -> Iterator[FileRow]:
    """Yield what a header says of each file of the share."""
    record = share.record
    names, sizes, mtimes, modes = record.names, record.sizes, record.mtimes, record.modes
    return ((names[i], sizes[i], mtimes[i] // 10**9, modes[i]) for i in share.files)


def _common(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Yield the intersection of sorted spans with one span."""
    position = max(bisect_right(spans, start, key=_start) - 1, 0)
    while position < len(spans) and spans[position][0] < end:
        low, high = max(spans[position][0], start), min(spans[position][1], end)
        if low < high:
            yield low, high
        position += 1


def _start(span: Span) -> int:
    return span[0]


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Join sorted spans that touch or overlap."""
    current: Span | None = None
    for start, end in spans:
        if current and start <= current[1]:
            current = current[0], max(current[1], end)
        else:
            if current:
                yield current
            current = start, end
    if current:
        yield current
