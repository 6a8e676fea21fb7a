"""Items and placement: what of the origin is packaged and where, and what is left out with a reason."""

from collections.abc import Iterable
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.layout.decide import Draft
from qa2pack.manifest.path import sort_key
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.role import role_of


@dataclass(frozen=True, slots=True)
class Item:
    """A file or a whole tree that goes into the member.

    Attributes:
        source: path to read, relative to the origin; absolute where a followed symlink leads outside.
        path: destination, relative to the member.
        column: for a measurement set, the one data column to keep; None to keep all, and for anything else.
        bundle: path of the bundle that it goes into, which is the beginning of `path`; empty for none.
        taken_from: the bundle of the origin that it is taken out of, the beginning of `source`; empty for none.
    """

    source: bytes
    path: bytes
    is_tree: bool
    column: str | None = None
    bundle: bytes = b""
    taken_from: bytes = b""

    @property
    def folder(self) -> bytes:
        """The first folder of its destination, by which totals are counted; empty directly in the member."""
        return role_of(self.path, is_folder=self.is_tree)


@dataclass(frozen=True, slots=True)
class Placement:
    """Result of the layout rules for an origin.

    Attributes:
        items: sorted by destination; destinations are distinct if there are no problems.
        left_out: sorted by path; a folder of which nothing is packaged is one entry.
        problems: each refuses the plan; paths relative to the origin, of collisions relative to the member.
        warnings: to be reported; none refuses the plan.
        drafts: what the items were made from, in no order.
    """

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    drafts: tuple[Draft, ...] = ()

    def with_inner(self, left_out: Iterable[LeftOut]) -> "Placement":
        """Return it with what is left out inside packaged trees; each once, also where a tree is packaged twice."""
        everything = {*self.left_out, *left_out}
        return replace(self, left_out=tuple(sorted(everything, key=lambda left: sort_key(left.path))))
