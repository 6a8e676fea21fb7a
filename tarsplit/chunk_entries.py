"""Walking the entries of one chunk: its share of each folder, in path order.

Chunks name folders and files by their place in the delivery's stream; an index turns that into the few stretches of
the stream that a chunk needs, so that a worker reads those and no more.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import read_frames
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.packing.bins import Span
from qa2pack.tarsplit.tar.header import file_headers, folder_header

FOLDER_MODE = 0o755


@dataclass(slots=True)
class RecordIndex:
    """Where each record of a stream begins, the number of its first file, and the same for what would come next."""

    offsets: "array[int]"
    first_files: "array[int]"

    @classmethod
    def at(cls, offset: int) -> "RecordIndex":
        """Return the index of a stream whose first record is to begin there."""
        return cls(array("Q", [offset]), array("Q", [0]))

    def add(self, end_offset: int, file_count: int) -> None:
        """Count the next record."""
        self.offsets.append(end_offset)
        self.first_files.append(self.first_files[-1] + file_count)

    def folder_of(self, file: int) -> int:
        """Return the number of the folder that holds the file."""
        return bisect_right(self.first_files, file) - 1


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring records: where they begin and end in the stream, numbers of the first folder and file."""

    start: int
    end: int
    first_folder: int
    first_file: int


@dataclass(frozen=True, slots=True)
class ChunkPart:
    """What a worker needs to find the entries of a chunk.

    Attributes:
        stream: path of a file with the records.
    """

    stream: bytes
    folders: tuple[Span, ...]
    files: tuple[Span, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What a chunk holds of one folder.

    Attributes:
        has_folder: the folder's own entry is among it.
        files: indexes into the record.
    """

    record: FolderRecord
    has_folder: bool
    files: Sequence[int]


def chunk_part(stream: bytes, index: RecordIndex, folders: Sequence[Span], files: Sequence[Span]) -> ChunkPart:
    """Return the part of the stream that holds these spans, which must be sorted and within the index.

    Raises:
        ValueError: a span is not.
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
    """Yield the chunk's share of each folder that it has something of, in path order."""
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


def header_of_folder(project: bytes, record: FolderRecord, mtime: int) -> bytes:
    """Return what stands in the tar for the folder itself."""
    return folder_header(in_tar(project, record.path), mtime=mtime, mode=FOLDER_MODE)


def headers_of_files(project: bytes, share: Share) -> Iterator[bytes]:
    """Yield what stands in the tar before the content of each file of the share."""
    record = share.record
    names, sizes, mtimes, modes = record.names, record.sizes, record.mtimes, record.modes
    files = ((names[i], sizes[i], mtimes[i] // 10**9, modes[i]) for i in share.files)
    return file_headers(in_tar(project, record.path), files)


def _common(spans: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """Yield what sorted spans have in common with one span."""
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
