"""Bundles of a member on the report page: each with the files in it, as many as the page has room for."""

from collections.abc import Collection, Iterator

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.inside import content_bytes, file_count, inside_of
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.path import join, shown

INSIDE_BYTES = 256 << 10  # of a page, for the rows of files in bundles
INSIDE_OF_MEMBER_BYTES = 64 << 10  # of a page that is bounded to 2 MB
_ROW_BYTES = 100  # what the page needs for a row besides the path, which is escaped


@dataclass(frozen=True, slots=True)
class InnerFile:
    """A file in a bundle; `is_damaged` as `pack verify` found it."""

    path: str
    size: int
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle with some of the files in it.

    Attributes:
        size: bytes of the bundle itself; of a placeholder what it would have at most.
        content_bytes: of the files in it.
        damaged_count: how many of all are not as packaged.
    """

    path: str
    size: int
    file_count: int
    content_bytes: int
    is_placeholder: bool
    is_damaged: bool
    damaged_count: int
    files: tuple[InnerFile, ...]

    @property
    def more(self) -> int:
        """How many of the files are not listed."""
        return self.file_count - len(self.files)


@dataclass(slots=True)
class Room:
    """How many bytes of the page are left for files in bundles."""

    left: int = INSIDE_BYTES

    def takes(self, path: str) -> bool:
        """Return whether there is room for one more row; from the first that has none on there is none."""
        self.left -= _ROW_BYTES + len(path.encode())
        return self.left >= 0


def bundles_of(manifest: Described, damaged: Collection[bytes], room: Room) -> Iterator[Bundle]:
    """Yield the bundles of a member, sorted by path.

    Args:
        damaged: paths in the package of what is not as packaged; of a file in a bundle with a `!` between.
    """
    folder = folder_of(manifest.header.member)
    for task in manifest.notes.bundles:
        path = join(folder, task.path)
        files, damaged_count = _files(task, path, damaged, room)
        yield Bundle(
            path=shown(task.path),
            size=_size(manifest, task),
            file_count=file_count(task),
            content_bytes=content_bytes(task),
            is_placeholder=task.is_placeholder,
            is_damaged=path in damaged,
            damaged_count=damaged_count,
            files=files,
        )


def _files(
    task: BundleTask, bundle: bytes, damaged: Collection[bytes], room: Room
) -> tuple[tuple[InnerFile, ...], int]:
    """Return the files for which there is room, and how many of all are damaged."""
    files: list[InnerFile] = []
    damaged_count = 0
    for inside in inside_of(task):
        if inside.index is None:
            continue
        is_damaged = bundle + b"!" + inside.entry.path in damaged
        damaged_count += is_damaged
        path = shown(inside.entry.path)
        if room.takes(path):
            files.append(InnerFile(path, inside.entry.size, is_damaged))
    return tuple(files), damaged_count


def _size(manifest: Described, task: BundleTask) -> int:
    folder, _, name = task.path.rpartition(b"/")
    blob = manifest.stream.find(folder)
    record = decode_record(blob) if blob else None
    return record.sizes[list(record.names).index(name)] if record and name in record.names else task.largest_bytes
