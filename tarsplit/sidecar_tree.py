"""Tree of a sidecar: whether its records are one tree with just its members, and its chunks have just its entries.

A sidecar comes from elsewhere, and a right checksum says only that it was not damaged on its way. Before anything is
written by it, all that the program itself would never write is refused. Pure but for reading the sidecar.
"""

from array import array
from collections.abc import Iterator, Mapping, Set
from itertools import accumulate
from typing import assert_never

from qa2pack.manifest.alma.member_ids import folder_of, is_of_cycle0, member_at
from qa2pack.manifest.alma.package import MEMBER_FOLDERS, README
from qa2pack.manifest.bundle.gzip_format import largest_gzip_bytes
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, END_BLOCKS, RECORD_BLOCKS
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import folders_above, join, shown
from qa2pack.tarsplit.packing.bins import Span
from qa2pack.tarsplit.packing.measure import measure
from qa2pack.tarsplit.sidecar import ChunkRow, Sidecar

_MODES = {0o644, 0o755}
_SECOND = 10**9


def check_tree(sidecar: Sidecar) -> None:
    """Refuse a sidecar that this program did not write.

    Raises:
        StreamError: it contradicts itself; says where.
    """
    try:
        folders = sidecar.members()
        _check_members(folders)
        above, members = folders_above(folders), frozenset(folders)
        sizes = _Blocks()
        for record in _one_tree(sidecar):
            _check_place(record, above, members)
            _check_files(record)
            sizes.add(record, sidecar.header.project)
        _check_sizes(sidecar.chunks, sizes)
    except ValueError as error:
        raise StreamError(sidecar.stream.path, f"contradicts itself ({error})") from error


def _check_members(folders: list[bytes]) -> None:
    if not folders or len(set(folders)) < len(folders):
        raise ValueError("no member, or one twice")
    above = folders_above(folders)
    for folder in folders:
        if folder in above:
            raise ValueError(f"a member in another one: {shown(folder)}")
        if folder_of(member_at(folder)) != folder:
            raise ValueError(f"a member with a name that has another folder: {shown(folder)}")


def _one_tree(sidecar: Sidecar) -> Iterator[FolderRecord]:
    """Yield the records, each right after what leads to it, as the first folder names them."""
    coming = [b""]
    for record in map(decode_record, sidecar.stream.blobs()):
        if not coming or coming.pop() != record.path:
            raise ValueError(f"a folder to which none leads, or that is missing: {shown(record.path)}")
        if not set(record.names).isdisjoint(record.folders):
            raise ValueError(f"a file and a folder of one name in {shown(record.path)}")
        coming.extend(join(record.path, name) for name in reversed(record.folders))
        yield record
    if coming:
        raise ValueError(f"a folder that is missing: {shown(coming[-1])}")


def _check_place(record: FolderRecord, above: Mapping[bytes, list[bytes]], members: Set[bytes]) -> None:
    leading = above.get(record.path)
    if leading is not None and (record.names or list(record.folders) != leading):
        raise ValueError(f"something beside the members in {shown(record.path)}")
    is_known = record.path in members and is_of_cycle0(member_at(record.path))
    if is_known and not ({README}.issuperset(record.names) and MEMBER_FOLDERS.issuperset(record.folders)):
        raise ValueError(f"something that no member has in {shown(record.path)}")


def _check_files(record: FolderRecord) -> None:
    if not _MODES.issuperset(record.modes):
        raise ValueError(f"a mode that no tar has in {shown(record.path)}")
    if any(mtime < 0 or mtime % _SECOND for mtime in record.mtimes):
        raise ValueError(f"a time that no tar has in {shown(record.path)}")


class _Blocks:
    """The tar blocks of folders and files, summed up, in the order of the records; and the sizes of the files."""

    def __init__(self) -> None:
        self.folders = array("Q", [0])
        self.files = array("Q", [0])
        self.sizes = array("Q")

    def add(self, record: FolderRecord, project: bytes) -> None:
        measured = measure(record, project)
        self.folders.append(self.folders[-1] + measured.blocks)
        sums = accumulate(measured.file_blocks, initial=self.files.pop())
        self.files.extend(sums)
        self.sizes.extend(record.sizes)


def _check_sizes(chunks: tuple[ChunkRow, ...], blocks: _Blocks) -> None:
    if len({row.name for row in chunks}) < len(chunks):
        raise ValueError("two chunks of one name")
    for row in chunks:
        if not _can_have_size(row, blocks):
            raise ValueError(f"a chunk of another size than its entries have: {shown(row.name)}")


def _can_have_size(row: ChunkRow, blocks: _Blocks) -> bool:
    """Return whether a chunk can have the size that is said; that of a zip is known once it is read."""
    count = _sum(row.folders, blocks.folders) + _sum(row.files, blocks.files) + END_BLOCKS
    tar = (count + -count % RECORD_BLOCKS) * BLOCK_BYTES
    match row.form:
        case DeliveryForm.TAR:
            return row.byte_count == tar
        case DeliveryForm.TGZ:
            return row.byte_count <= largest_gzip_bytes(tar)
        case DeliveryForm.ZIP:
            return True
        case DeliveryForm.FILE:
            return row.byte_count == blocks.sizes[row.files[0][0]]
        case DeliveryForm.FOLDER | DeliveryForm.BAG | DeliveryForm.OCFL:
            return row.byte_count == sum(sum(blocks.sizes[start:end]) for start, end in row.files)
        case _:
            assert_never(row.form)


def _sum(spans: tuple[Span, ...], sums: "array[int]") -> int:
    if any(not 0 <= start <= end < len(sums) for start, end in spans):
        raise ValueError("a chunk holds what the records do not")
    return sum(sums[end] - sums[start] for start, end in spans)
