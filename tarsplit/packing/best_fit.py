"""Filling as few chunks as can be.

Big pieces go, largest first, to the chunk with the least room that is enough; where a simple bound says that fewer
chunks could do, a search of limited length looks for them. Pieces below a thousandth of a chunk then fill the gaps in
path order; they are never all held. The number is the least there is whenever it meets the bound or the search comes
to its end, which is nearly always.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence

from qa2pack.tarsplit.packing.bins import Bin, Piece

_SMALL_PART = 1024  # pieces below this part of a chunk are small
_SEARCHED_PIECES = 64
_SEARCH_STEPS = 20_000


def fill_best_fit(first: Sequence[Piece], pieces: Callable[[], Iterable[Piece]], capacity: int) -> list[Bin]:
    """Return filled chunks, the one that holds `first` at the start and the others in path order.

    Args:
        first: pieces that stay together where they fit into one chunk.
        pieces: yields all others in path order; called twice.
    """
    small = capacity // _SMALL_PART
    big = [piece for piece in pieces() if piece.blocks > small]
    alone = [[piece] for piece in (*first, *big) if piece.blocks > capacity]
    groups = _first_groups([piece for piece in first if piece.blocks <= capacity], capacity)
    groups += [[piece] for piece in big if piece.blocks <= capacity]
    numbers = pack_sizes([sum(piece.blocks for piece in group) for group in groups], capacity)
    bins = [Bin() for _ in range(max(numbers, default=-1) + 1)]
    for number, group in zip(numbers, groups, strict=True):
        bins[number].add_all(group)
    _next_fit((piece for piece in pieces() if piece.blocks <= small), bins, capacity)
    for group in alone:
        bins.append(Bin())
        bins[-1].add_all(group)
    return _in_order(bins, first)


def pack_sizes(sizes: Sequence[int], capacity: int) -> list[int]:
    """Return for each size, none above the capacity, the number of its bin; as few bins as are found."""
    order = sorted(range(len(sizes)), key=lambda index: (-sizes[index], index))
    descending = [sizes[index] for index in order]
    placed = _best_fit(descending, capacity)
    count = max(placed, default=-1) + 1
    least = max(-(-sum(sizes) // capacity), sum(2 * size > capacity for size in sizes)) if sizes else 0
    if len(sizes) <= _SEARCHED_PIECES:
        for fewer in range(least, count):
            found = _search(descending, capacity, fewer)
            if found:
                placed = found
                break
    bins = [0] * len(sizes)
    for index, number in zip(order, placed, strict=True):
        bins[index] = number
    return bins


def _first_groups(first: Sequence[Piece], capacity: int) -> list[list[Piece]]:
    """Return what comes first as one group if it fits, else as groups that do."""
    groups: list[list[Piece]] = []
    room = 0
    for piece in first:
        if piece.blocks > room or not groups:
            groups.append([])
            room = capacity
        groups[-1].append(piece)
        room -= piece.blocks
    return groups


def _next_fit(pieces: Iterable[Piece], bins: list[Bin], capacity: int) -> None:
    """Put small pieces into the bins one after the other, and into new ones; never goes back, so leaves a crumb."""
    current = 0
    for piece in pieces:
        while current < len(bins) and bins[current].blocks + piece.blocks > capacity:
            current += 1
        if current == len(bins):
            bins.append(Bin())
        bins[current].add(piece)


def _in_order(bins: list[Bin], first: Sequence[Piece]) -> list[Bin]:
    """Sort the bins: the one with the first piece, then by the first file in them."""

    def key(bin: Bin) -> tuple[float, ...]:
        has_first = bool(first) and _holds(bin, first[0])
        return not has_first, *(min(spans)[0] if spans else float("inf") for spans in (bin.files, bin.folders))

    return sorted(bins, key=key)


def _holds(bin: Bin, piece: Piece) -> bool:
    spans, wanted = (bin.files, piece.files) if piece.files[0] < piece.files[1] else (bin.folders, piece.folders)
    return any(start <= wanted[0] and wanted[1] <= end for start, end in spans)


def _best_fit(sizes: Iterable[int], capacity: int) -> list[int]:
    rooms: list[tuple[int, int]] = []  # with the number of the bin, sorted
    placed = []
    for size in sizes:
        index = bisect_left(rooms, (size, 0))
        room, number = rooms.pop(index) if index < len(rooms) else (capacity, len(rooms))
        insort(rooms, (room - size, number))
        placed.append(number)
    return placed


def _search(sizes: Sequence[int], capacity: int, bin_count: int) -> list[int] | None:
    """Look for a way to put the sizes, largest first, into so many bins; None if there is none or it takes long."""
    rooms = [capacity] * bin_count
    placed: list[int] = []
    tried: list[set[int]] = [set()]  # rooms that were tried for the size at this depth: equal rooms are the same
    for _ in range(_SEARCH_STEPS):
        if len(placed) == len(sizes):
            return placed
        size = sizes[len(placed)]
        number = next((n for n, room in enumerate(rooms) if size <= room and room not in tried[-1]), None)
        if number is not None:
            tried[-1].add(rooms[number])
            rooms[number] -= size
            placed.append(number)
            tried.append(set())
        elif placed:
            tried.pop()
            last = placed.pop()
            rooms[last] += sizes[len(placed)]
        else:
            return None
    return None
