"""Letters as ranges: which letters names may have. A set of all letters of a wide range would take 100 MB."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import pairwise

from qa2pack.manifest.dataclass import dataclass

LAST_LETTER = 0x10FFFF
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Letters:
    """Some letters.

    Attributes:
        ranges: the first and last code point of each; they ascend, and no two have a letter in common.
        _known: letters that were asked for and are among these: names have few different ones.
    """

    ranges: tuple[Range, ...] = ()
    _known: set[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", set())

    def have_all(self, text: str) -> bool:
        """Return whether all letters of a text are among these."""
        return self._known.issuperset(text) or all(map(self.has, set(text)))

    def has(self, letter: str) -> bool:
        """Return whether a letter is among these."""
        at = bisect_right(self.ranges, (ord(letter), LAST_LETTER))
        is_there = bool(at) and self.ranges[at - 1][1] >= ord(letter)
        if is_there:
            self._known.add(letter)
        return is_there


def merged(ranges: Iterable[Range]) -> Letters:
    """Return the letters of ranges in any order, which may overlap."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return Letters(tuple(found))


def others(letters: Letters) -> Letters:
    """Return all letters but these."""
    ends = pairwise([(0, -1), *letters.ranges, (LAST_LETTER + 1, 0)])
    return Letters(tuple((last + 1, first - 1) for (_, last), (first, _) in ends if last + 1 < first))


def common(every: Sequence[Letters]) -> Letters:
    """Return the letters that are among all of these."""
    return others(merged(each for letters in every for each in others(letters).ranges))
