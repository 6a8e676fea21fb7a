"""Size in tar blocks of a folder and its files, computed from the folder's record."""

from array import array

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, have_single_blocks, header_bytes
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.path import join
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.packing.partition import Measured

TABLE_MARK = b"table.dat"  # a folder that holds this file is a CASA table


def measure(record: FolderRecord, project: bytes, *, is_member: bool = False) -> Measured:
    """Return the tar blocks of the folder and of each of its files.

    Args:
        record: its path is relative to the package.
        project: first part of all paths in the tar.
        is_member: the folder is a whole member, whose README is a file like no other.
    """
    folder = in_tar(project, record.path)
    has_readme = is_member and README in record.names
    return Measured(
        path=record.path,
        blocks=header_bytes(folder + b"/") // BLOCK_BYTES,
        file_blocks=_file_blocks(record, folder),
        is_table=TABLE_MARK in record.names and not has_readme,
        readme=record.names.index(README) if has_readme else None,
    )


def _file_blocks(record: FolderRecord, folder: bytes) -> "array[int]":
    longest, largest = max(map(len, record.names), default=0), max(record.sizes, default=0)
    if have_single_blocks(folder, longest_name=longest, largest_size=largest):
        return _column([(size + 2 * BLOCK_BYTES - 1) // BLOCK_BYTES for size in record.sizes])
    return _column(
        [
            (header_bytes(join(folder, name), size) + size + BLOCK_BYTES - 1) // BLOCK_BYTES
            for name, size in zip(record.names, record.sizes, strict=True)
        ]
    )


def _column(blocks: list[int]) -> "array[int]":
    """Return the numbers as an array, four bytes each if no file is larger than 2 TB."""
    return array("I" if max(blocks, default=0) < 1 << 32 else "Q", blocks)
