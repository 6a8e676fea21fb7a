"""What is in a bundle: its files and folders in the order in which they are written, from the records of a plan."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.path import join, sort_key

_SECOND_NS = 1_000_000_000
_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Inside:
    """A file or folder in a bundle.

    Attributes:
        record: of its folder, or of the folder itself.
        index: of the file in the record; None for a folder.
    """

    entry: BundleEntry
    record: FolderRecord
    index: int | None = None

    @property
    def path(self) -> bytes:
        """Its path in the member, as if the bundle were a folder."""
        return self.record.path if self.index is None else join(self.record.path, self.record.names[self.index])


def inside_of(task: BundleTask) -> Iterator[Inside]:
    """Yield what is in a bundle, a folder before its content; of a compressed file just the file."""
    folder_ns = newest_ns(task.records)
    for record in map(decode_record, task.records):
        within = record.path[len(task.path) + 1 :]
        if within:
            yield Inside(BundleEntry(within, 0, folder_ns, _FOLDER_MODE, is_folder=True), record)
        for index, name in enumerate(record.names):
            entry = BundleEntry(join(within, name), record.sizes[index], record.mtimes[index], record.modes[index])
            yield Inside(entry, record, index)


def newest_ns(records: Iterable[bytes]) -> int:
    """Return the time of the newest file in whole seconds, as ns since the epoch: the same in every run."""
    newest = max((mtime for blob in records for mtime in decode_record(blob).mtimes), default=0)
    return newest // _SECOND_NS * _SECOND_NS


def content_bytes(task: BundleTask) -> int:
    """Return the bytes of the files in a bundle."""
    return sum(sum(decode_record(blob).sizes) for blob in task.records)


def file_count(task: BundleTask) -> int:
    """Return how many files are in a bundle."""
    return sum(len(decode_record(blob).names) for blob in task.records)


def records_inside(task: BundleTask) -> Iterator[FolderRecord]:
    """Yield the records of the files in a bundle, their paths relative to it."""
    for record in map(decode_record, task.records):
        yield replace(record, path=record.path[len(task.path) + 1 :])


def with_insides(records: Iterable[FolderRecord], tasks: Sequence[BundleTask]) -> Iterator[FolderRecord]:
    """Yield the records of a member with the files in its bundles in place of these, in the order of a stream."""
    paths = frozenset(task.path for task in tasks)
    inside = (decode_record(blob) for task in tasks for blob in task.records)
    return merge((without_bundles(record, paths) for record in records), inside, key=lambda r: sort_key(r.path))


def without_bundles(record: FolderRecord, paths: Container[bytes]) -> FolderRecord:
    """Return the record without the files of these paths."""
    kept = [index for index, name in enumerate(record.names) if join(record.path, name) not in paths]
    return record if len(kept) == len(record.names) else replace(record.selected(kept), folders=record.folders)


def marked_path(path: bytes, paths: Container[bytes]) -> bytes:
    """Return the path of a file as it is shown, with a `!` between that of the bundle and that in it."""
    end = path.find(b"/")
    while end >= 0:
        if path[:end] in paths:
            return path[:end] + b"!" + path[end + 1 :]
        end = path.find(b"/", end + 1)
    return path
