"""Values of bin packing: spans, pieces, rows of files, and bins."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from qa2pack.manifest.dataclass import dataclass

Span = tuple[int, int]  # half-open range of indexes; an empty span is (0, 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries that stay together: a span of folders and a span of files, by index in path order."""

    folders: Span
    files: Span
    blocks: int


@dataclass(frozen=True, slots=True)
class Row:
    """Consecutive files, each a piece of its own, stored together because there may be millions.

    Attributes:
        first: index of the first file in path order.
        blocks: tar blocks of each file.
    """

    first: int
    blocks: Sequence[int]

    def pieces(self) -> Iterator[Piece]:
        """Yield the files one by one."""
        for file, blocks in enumerate(self.blocks, self.first):
            yield Piece((0, 0), (file, file + 1), blocks)


@dataclass(slots=True)
class Bin:
    """A chunk while it is filled; spans are in the order of filling."""

    blocks: int = 0
    folders: list[Span] = field(default_factory=list)
    files: list[Span] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Add the piece; adjacent spans are merged, so ten million files stay a few spans."""
        self.blocks += piece.blocks
        _append(self.folders, piece.folders)
        _append(self.files, piece.files)

    def add_all(self, pieces: Iterable[Piece]) -> None:
        """Add all pieces."""
        for piece in pieces:
            self.add(piece)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Return what is left of sorted spans, without those that are taken; what touches is joined."""
    left: list[Span] = []
    gaps = sorted(taken)
    place = 0
    for begin, end in spans:
        start = begin
        while start < end and place < len(gaps):
            gap_start, gap_end = gaps[place]
            _append(left, (start, min(max(start, gap_start), end)))
            start = max(start, min(gap_end, end))
            if gap_end > end:
                break  # it goes on in the next span
            place += 1
        _append(left, (start, end))
    return left


def _append(spans: list[Span], span: Span) -> None:
    if span[0] == span[1]:
        return
    if spans and spans[-1][1] == span[0]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)
