"""Selection: which delivery sets of a member each of its files is in. Pure.

A file is in the first set that selects it, and in each set beside the others (`also`) that selects it. A folder goes
with the first file directly in it; one without files, with the set that selects all below it. Other folders are made
by unpacking.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_row import DeliveryRow, selects_all_below
from qa2pack.manifest.layout.patterns import Patterns, compile_patterns
from qa2pack.tarsplit.packing.bins import Span

_NO_SET, _ANOTHER = -1, -2


@dataclass(frozen=True, slots=True)
class SetShare:
    """What a delivery set has of one folder.

    Attributes:
        set: its index.
        files: indexes of its files in the folder, ascending.
        has_folder: the entry of the folder itself is in it.
    """

    set: int
    files: Sequence[int]
    has_folder: bool


class Selection:
    """The sets of one member, in order.

    Args:
        first: index of the first of them.
        among: all sets of the member, of which these are some; what another takes is in none of these. Empty: these
            are all, or take what they select as if there were no others.
    """

    def __init__(self, rows: Iterable[DeliveryRow], first: int = 0, among: Sequence[DeliveryRow] = ()) -> None:
        numbered = list(enumerate(rows, first))
        if among:
            numbers = {row.name: number for number, row in numbered}
            numbered = [(numbers.get(row.name, _ANOTHER), row) for row in among]
        beside = [_Group([each]) for each in numbered if each[1].also]
        self._groups = [_Group([each for each in numbered if not each[1].also]), *beside]

    def shares(self, folder: bytes, names: Sequence[bytes]) -> Iterator[SetShare]:
        """Yield the share of each set that has something of a folder, relative to the member."""
        parts = _parts(folder)
        for group in self._groups:
            found = group.sets(parts, names)
            own = next((number for number in found if number != _NO_SET), _NO_SET)
            if own == _NO_SET:
                own = group.set_of_all_below(parts)
            for each in sorted({own, *found} - {_NO_SET, _ANOTHER}):
                yield SetShare(each, [i for i, number in enumerate(found) if number == each], each == own)


class _Group:
    """Sets that share out the files among them."""

    def __init__(self, rows: Iterable[tuple[int, DeliveryRow]]) -> None:
        self._paths = [(number, _Path(path)) for number, row in rows for path in row.select]

    def sets(self, parts: Sequence[bytes], names: Sequence[bytes]) -> Sequence[int]:
        """Return the set of each file of a folder, given by its parts; _NO_SET for none."""
        found = ((number, path.names_in(parts)) for number, path in self._paths)
        rules = [(number, fits) for number, fits in found if fits is not None]
        if not rules:
            return [_NO_SET] * len(names)
        if rules[0][1] is _ALL:
            return [rules[0][0]] * len(names)
        return [
            next((number for number, fits in rules if fits is _ALL or fits.fits(name)), _NO_SET) for name in names
        ]

    def set_of_all_below(self, parts: Sequence[bytes]) -> int:
        """Return the set that selects all below a folder; _NO_SET for none."""
        return next((number for number, path in self._paths if path.names_in(parts) is _ALL), _NO_SET)


_ALL = compile_patterns(("*",), {})


class _Path:
    """A path with globs."""

    def __init__(self, text: str) -> None:
        *folders, last = text.split("/")
        self._folders = [_patterns(part) for part in folders]
        self._names = None if selects_all_below(text) else _patterns(last)

    def names_in(self, folder: Sequence[bytes]) -> Patterns | None:
        """Return which names it selects in a folder, given by its parts; None for none."""
        depth = len(self._folders)
        is_deep_enough = len(folder) >= depth if self._names is None else len(folder) == depth
        if is_deep_enough and all(each.fits(part) for each, part in zip(self._folders, folder, strict=False)):
            return self._names or _ALL
        return None


@cache
def _patterns(glob: str) -> Patterns:
    return compile_patterns((glob,), {})


def _parts(folder: bytes) -> Sequence[bytes]:
    return folder.split(b"/") if folder else ()


def spread(spans: Iterable[Span], places: "array[int]") -> Iterator[Span]:
    """Yield where spans of some entries are among all entries.

    Args:
        places: index among all of each of the entries, ascending.
    """
    for start, end in spans:
        at = start
        while at < end:
            # All that follow without a gap: their distance from the first is the same in both.
            step = bisect_left(range(at, end), 1, key=partial(_is_behind_gap, places, at))
            yield places[at], places[at] + step
            at += step


def _is_behind_gap(places: "array[int]", first: int, at: int) -> bool:
    return places[at] - places[first] != at - first
