"""Which chunk each entry goes to: a pure function of sizes and a limit, exact to the byte.

Everything is counted in tar blocks of 512 bytes, headers included, so that what is computed here is what is written.
Folders and files are named by their place in path order: folder 17, file 4711. A chunk is a few spans of both.

The rules: the READMEs and the folders come first, so that the first chunk shows the whole tree; a CASA table that fits
into a chunk is one piece, its folders included; anything else is one piece per file. A file that is larger than the
limit has a chunk of its own. The order in which the folders are given does not matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from manifest.path import sort_key
from tarsplit.entry import BLOCK_BYTES
from tarsplit.tight import fill_tight

RECORD_BLOCKS = 20  # a tar is written in records of 10240 bytes
END_BLOCKS = 2
MAX_CHUNKS = 999

Span = tuple[int, int]


class Fill(StrEnum):
    """How chunks are filled."""

    ORDER = "order"  # in path order
    TIGHT = "tight"  # as few as can be


class TooManyChunksError(Exception):
    """The names have three digits.

    Attributes:
        chunk_count: how many there would be.
        enough_bytes: a limit that is surely large enough.
    """

    def __init__(self, chunk_count: int, enough_bytes: int) -> None:
        super().__init__(f"{chunk_count} chunks; {MAX_CHUNKS} is the most that the names allow")
        self.chunk_count = chunk_count
        self.enough_bytes = enough_bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """One folder with the blocks of all entries directly in it.

    Attributes:
        blocks: of the folder's own entry.
        file_blocks: header and content of each file.
        is_table: it is a CASA table, which stays together with all below it.
        readme: which of the files is a member's README.
    """

    path: bytes
    blocks: int
    file_blocks: Sequence[int]
    is_table: bool = False
    readme: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What is not parted: spans of folders and files, in path order."""

    folders: Span
    files: Span
    blocks: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What goes into one tar.

    Attributes:
        folders, files: spans, sorted and merged.
        blocks: of all entries.
    """

    folders: tuple[Span, ...]
    files: tuple[Span, ...]
    blocks: int

    @property
    def byte_count(self) -> int:
        """Return the exact size of the tar."""
        return tar_bytes(self.blocks)


def tar_bytes(blocks: int) -> int:
    """Return the size of a tar with so many blocks of entries: two empty blocks at the end, then whole records."""
    return -(-(blocks + END_BLOCKS) // RECORD_BLOCKS) * RECORD_BLOCKS * BLOCK_BYTES


def capacity_blocks(limit_bytes: int) -> int:
    """Return how many blocks of entries fit into a tar of at most that size; 0 or less if none does."""
    return limit_bytes // (RECORD_BLOCKS * BLOCK_BYTES) * RECORD_BLOCKS - END_BLOCKS


def partition(folders: Iterable[Measured], *, limit_bytes: int, fill: Fill) -> list[Chunk]:
    """Return the chunks in order, none of them empty, each entry in exactly one.

    Raises:
        TooManyChunksError: there would be more than 999.
    """
    ordered = sorted(folders, key=lambda folder: sort_key(folder.path))
    capacity = capacity_blocks(limit_bytes)
    cut = _Cut(ordered, capacity)
    match fill:
        case Fill.ORDER:
            chunks = _fill_in_order(chain(cut.first_pieces(), cut.pieces()), capacity)
        case Fill.TIGHT:
            chunks = [_chunk(pieces) for pieces in fill_tight(list(cut.first_pieces()), cut.pieces, capacity)]
    if len(chunks) > MAX_CHUNKS:
        raise TooManyChunksError(len(chunks), _enough_bytes(sum(chunk.blocks for chunk in chunks), cut.largest))
    return chunks


class _Cut:
    """The pieces of an ordered list of folders."""

    def __init__(self, folders: Sequence[Measured], capacity: int) -> None:
        self._folders = folders
        self._kept = list(_kept_tables(folders, capacity))
        self.largest = max((blocks for _, _, blocks in self._kept), default=1)

    def first_pieces(self) -> Iterator[Piece]:
        """Yield the READMEs, then the folders that are in no table that is kept together."""
        file = 0
        for folder in self._folders:
            if folder.readme is not None:
                place = file + folder.readme
                yield Piece((0, 0), (place, place + 1), folder.file_blocks[folder.readme])
            file += len(folder.file_blocks)
        for number, folder, _ in self._loose():
            yield Piece((number, number + 1), (0, 0), folder.blocks)

    def pieces(self) -> Iterator[Piece]:
        """Yield the tables that are kept together and all other files, in path order."""
        kept = iter(self._kept)
        start, end, blocks = next(kept, (len(self._folders), 0, 0))
        file = 0
        for number, folder in enumerate(self._folders):
            if number > start and number >= end:
                start, end, blocks = next(kept, (len(self._folders), 0, 0))
            count = len(folder.file_blocks)
            if number == start:
                file_count = sum(len(inner.file_blocks) for inner in self._folders[start:end])
                yield Piece((start, end), (file, file + file_count), blocks)
            elif number < start:
                for index, file_blocks in enumerate(folder.file_blocks):
                    if index != folder.readme:
                        yield Piece((0, 0), (file + index, file + index + 1), file_blocks)
            file += count

    def _loose(self) -> Iterator[tuple[int, Measured, int]]:
        raise NotImplementedError
