"""What is packed into chunks, and the chunks while they are filled."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Span = tuple[int, int]  # from the first to before the last; an empty one is (0, 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """What is not parted: a span of folders and one of files, each by its place in path order."""

    folders: Span
    files: Span
    blocks: int


@dataclass(frozen=True, slots=True)
class Row:
    """Neighbouring files, each a piece of its own; so that millions of them need not all be made.

    Attributes:
        first: place of the first file in path order.
        blocks: of each.
    """

    first: int
    blocks: Sequence[int]

    def pieces(self) -> Iterator[Piece]:
        """Yield the files one by one."""
        for file, blocks in enumerate(self.blocks, self.first):
            yield Piece((0, 0), (file, file + 1), blocks)


@dataclass(slots=True)
class Bin:
    """A chunk that is being filled; keeps the order in which it was filled."""

    blocks: int = 0
    folders: list[Span] = field(default_factory=list)
    files: list[Span] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Put the piece in; spans that follow each other become one, so ten million files stay a few."""
        self.blocks += piece.blocks
        _append(self.folders, piece.folders)
        _append(self.files, piece.files)

    def add_all(self, pieces: Iterable[Piece]) -> None:
        """Put all of them in."""
        for piece in pieces:
            self.add(piece)


def _append(spans: list[Span], span: Span) -> None:
    if span[0] == span[1]:
        return
    if spans and spans[-1][1] == span[0]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)
