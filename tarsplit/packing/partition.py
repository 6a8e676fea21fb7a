"""Partition of a package into chunks: a pure function of sizes and a size limit, exact to the byte.

Sizes are counted in tar blocks of 512 bytes, headers included, so the computed size is the size that is written.
Folders and files are given by their index in path order: folder 17, file 4711. A chunk is a few spans of both.

The rules: READMEs and folder entries come first, so that the first chunk shows the whole tree. A CASA table that
fits into a chunk is one piece, with its folders. Any other file is a piece of its own. A file larger than the limit
gets a chunk of its own. The result does not depend on the order of the input.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate, chain

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, END_BLOCKS, RECORD_BLOCKS
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import sort_key
from qa2pack.tarsplit.packing.best_fit import fill_best_fit
from qa2pack.tarsplit.packing.bins import Bin, Piece, Row, Span

MAX_CHUNKS = 999


class Fill(StrEnum):
    """How chunks are filled."""

    ORDER = "order"  # in path order
    TIGHT = "tight"  # best fit: as few chunks as possible


class TooManyChunksError(Exception):
    """More than 999 chunks: their names have three digits.

    Attributes:
        chunk_count: number of chunks at the given limit.
        enough_bytes: a limit that is certainly large enough.
    """

    def __init__(self, chunk_count: int, enough_bytes: int) -> None:
        super().__init__(f"{chunk_count} chunks; {MAX_CHUNKS} is the most that the names allow")
        self.chunk_count = chunk_count
        self.enough_bytes = enough_bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """Size in blocks of one folder and of the files directly in it.

    Attributes:
        blocks: of the folder's own entry.
        file_blocks: of header and content of each file.
        is_table: the folder is a CASA table, which stays together with everything below it.
        readme: index of the file that is a member's README.
    """

    path: bytes
    blocks: int
    file_blocks: Sequence[int]
    is_table: bool = False
    readme: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The entries of one tar.

    Attributes:
        folders, files: spans, sorted and merged.
        blocks: sum over all entries.
    """

    folders: tuple[Span, ...]
    files: tuple[Span, ...]
    blocks: int

    @property
    def byte_count(self) -> int:
        """Return the exact size of the tar."""
        return tar_bytes(self.blocks)

    @property
    def entry_count(self) -> int:
        """Return the number of folders and files."""
        return sum(end - start for start, end in (*self.folders, *self.files))


def tar_bytes(blocks: int) -> int:
    """Return the size of a tar with this many blocks of entries: two zero blocks are added, then whole records."""
    return -(-(blocks + END_BLOCKS) // RECORD_BLOCKS) * RECORD_BLOCKS * BLOCK_BYTES


def capacity_blocks(limit_bytes: int) -> int:
    """Return how many blocks of entries fit into a tar of at most this size; 0 or less if none fits."""
    return limit_bytes // (RECORD_BLOCKS * BLOCK_BYTES) * RECORD_BLOCKS - END_BLOCKS


def partition(folders: Iterable[Measured], *, limit_bytes: int, fill: Fill) -> list[Chunk]:
    """Return the chunks in order. No chunk is empty, and each entry is in exactly one.

    Raises:
        TooManyChunksError: there would be more than 999.
    """
    ordered = sorted(folders, key=lambda folder: sort_key(folder.path))
    capacity = capacity_blocks(limit_bytes)
    sections = list(_sections(ordered, capacity))
    first = list(_first_pieces(ordered, sections))
    filled = _fill_in_order(chain(first, _pieces(ordered, sections)), capacity)
    if fill is Fill.TIGHT:
        # Filling in path order can happen to need fewer chunks.
        filled = min(fill_best_fit(first, lambda: _single_pieces(ordered, sections), capacity), filled, key=len)
    if len(filled) > MAX_CHUNKS:
        # Two adjacent chunks together exceed the capacity of one, so twice the mean is always enough.
        total = sum(bin.blocks for bin in filled)
        raise TooManyChunksError(len(filled), tar_bytes(2 * total // (MAX_CHUNKS - 2) + 1))
    return [Chunk(_merged(bin.folders), _merged(bin.files), bin.blocks) for bin in filled]


def cut_tables(folders: Sequence[Measured], limit_bytes: int) -> tuple[bytes, ...]:
    """Return the paths of the tables that do not fit into one chunk; folders must be in path order."""
    loose = (s for s in _sections(folders, capacity_blocks(limit_bytes)) if s.table_blocks is None)
    return tuple(f.path for s in loose for f in folders[s.start : s.end] if f.is_table)


@dataclass(frozen=True, slots=True)
class _Section:
    """Consecutive folders: one table that stays together, or folders that may be divided."""

    start: int
    end: int
    first_file: int
    table_blocks: int | None


def _sections(folders: Sequence[Measured], capacity: int) -> Iterator[_Section]:
    number = start = file = first_file = 0
    while number < len(folders):
        end, blocks = _table_at(folders, number) if folders[number].is_table else (number, 0)
        if number < end and blocks <= capacity:
            if start < number:
                yield _Section(start, number, first_file, None)
            yield _Section(number, end, file, blocks)
            file += sum(len(folder.file_blocks) for folder in folders[number:end])
            number = start = end
            first_file = file
        else:
            file += len(folders[number].file_blocks)
            number += 1
    if start < number:
        yield _Section(start, number, first_file, None)


def _table_at(folders: Sequence[Measured], number: int) -> tuple[int, int]:
    """Return the end index and the blocks of the table that starts at this folder."""
    inside = folders[number].path + b"/"
    end, blocks = number, 0
    while end < len(folders) and (end == number or folders[end].path.startswith(inside)):
        blocks += folders[end].blocks + sum(folders[end].file_blocks)
        end += 1
    return end, blocks


def _first_pieces(folders: Sequence[Measured], sections: Iterable[_Section]) -> Iterator[Piece]:
    """Yield the READMEs, then the folders that are not in a table that stays together."""
    loose = [section for section in sections if section.table_blocks is None]
    for section in loose:
        file = section.first_file
        for folder in folders[section.start : section.end]:
            if folder.readme is not None:
                place = file + folder.readme
                yield Piece((0, 0), (place, place + 1), folder.file_blocks[folder.readme])
            file += len(folder.file_blocks)
    for section in loose:
        for number in range(section.start, section.end):
            yield Piece((number, number + 1), (0, 0), folders[number].blocks)


def _pieces(folders: Sequence[Measured], sections: Iterable[_Section]) -> Iterator[Piece | Row]:
    """Yield the tables that stay together and all other files, in path order."""
    for section in sections:
        file = section.first_file
        inner = folders[section.start : section.end]
        if section.table_blocks is not None:
            end = file + sum(len(folder.file_blocks) for folder in inner)
            yield Piece((section.start, section.end), (file, end), section.table_blocks)
            continue
        for folder in inner:
            if folder.readme is None:
                yield Row(file, folder.file_blocks)
            else:
                yield Row(file, folder.file_blocks[: folder.readme])
                yield Row(file + folder.readme + 1, folder.file_blocks[folder.readme + 1 :])
            file += len(folder.file_blocks)


def _single_pieces(folders: Sequence[Measured], sections: Iterable[_Section]) -> Iterator[Piece]:
    for piece in _pieces(folders, sections):
        if isinstance(piece, Row):
            yield from piece.pieces()
        else:
            yield piece


def _fill_in_order(pieces: Iterable[Piece | Row], capacity: int) -> list[Bin]:
    filling = _InOrder(capacity)
    for piece in pieces:
        if isinstance(piece, Row):
            filling.add_row(piece)
        else:
            filling.add(piece)
    return filling.bins


class _InOrder:
    """Next-fit in path order. A piece larger than the capacity gets its own bin, and the current bin stays open."""

    def __init__(self, capacity: int) -> None:
        self.bins: list[Bin] = []
        self._capacity = capacity
        self._current = Bin(blocks=capacity)  # full, so the first piece opens a new bin

    def add(self, piece: Piece) -> None:
        if piece.blocks > self._capacity:
            self._opened().add(piece)
            return
        if self._current.blocks + piece.blocks > self._capacity:
            self._current = self._opened()
        self._current.add(piece)

    def add_row(self, row: Row) -> None:
        """Add the files with the same result as one by one, but as many at a time as fit."""
        sums = list(accumulate(row.blocks, initial=0))
        start = 0
        while start < len(row.blocks):
            room = self._capacity - self._current.blocks
            end = max(bisect_right(sums, sums[start] + room, start) - 1, start + 1)
            self.add(Piece((0, 0), (row.first + start, row.first + end), sums[end] - sums[start]))
            start = end

    def _opened(self) -> Bin:
        self.bins.append(Bin())
        return self.bins[-1]


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
