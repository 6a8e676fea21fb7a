"""What becomes of the things in the origin: an item is packaged, the rest is left out with a reason."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from qa2pack.manifest.alma.role import Role
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.path import sort_key
from qa2pack.manifest.problem import Problem


@dataclass(frozen=True, slots=True)
class Item:
    """A file or a whole tree that goes into the member.

    Attributes:
        source: what is read, relative to the origin; absolute where a followed link leads outside.
        path: where it goes, relative to the member.
        column: for a measurement set, the one data column that is kept; else, or to keep all, None.
    """

    source: bytes
    path: bytes
    is_tree: bool
    role: Role
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """What the rules make of an origin.

    Attributes:
        items: sorted by destination; no two meet if there are no problems.
        left_out: sorted by path; a folder of which nothing is taken is one line.
        problems: each stands against packaging; paths relative to the origin, for collisions to the member.
        warnings: what a person should look at; none stands in the way.
    """

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def with_inner(self, left_out: Iterable[LeftOut]) -> "Placement":
        """Return it with what is left out inside packaged trees, each once though a tree may be packaged twice."""
        everything = {*self.left_out, *left_out}
        return replace(self, left_out=tuple(sorted(everything, key=lambda left: sort_key(left.path))))
