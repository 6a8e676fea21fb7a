"""Checks as data: what a complete reduction of a style has, and what its receivers want of a member.

A layout file has them as `[[check]]` tables. `manifest.layout.completeness` compares an origin with the first kinds.
Nothing is refused by these: whether something is missing or was never made, only the reducer knows. The checks of the
member, which `manifest.layout.member_checks` looks at, may refuse.
"""

from dataclasses import field
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.letters import Letters
from qa2pack.manifest.layout.patterns import Patterns
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code

ANY_NUMBER = 10**9
_MOST_TEXTS = 4


@dataclass(frozen=True, slots=True)
class Needs:
    """A folder in which every member has something; `what` are its usual names and where they are, for messages."""

    folder: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Something that every marked place has if one of them has it.

    Attributes:
        folder: of the member, into which it goes.
        what: what it is, in the singular or plural, for messages.
        globs: its names in the origin; one of them is enough.
    """

    folder: bytes
    what: str
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Names of the origin by which another kind of delivery is known.

    Attributes:
        what: the other kind, for messages.
        globs: with a `/` of whole paths relative to the origin, else of names at any depth that the survey enters.
    """

    what: str
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectCode:
    """Forms of a project code, as globs; the name of the package has one of them."""

    globs: tuple[str, ...]


class Say(StrEnum):
    """What a plan does where a check of the member is not met."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Count:
    """How many entries of a folder of the member have such names.

    Attributes:
        folder: of the member; empty for the member itself. Only what lies directly in it counts.
        names: one of them is enough.
        least, most: the numbers that are right, inclusive.
        what: the reason, for messages.
        line: where it begins in the layout file, for messages; 0 if that is not known. So in the other kinds.
    """

    folder: bytes
    names: Patterns
    least: int
    most: int
    what: str
    say: Say = Say.WARN
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of all files and folders look like that are packaged.

    Attributes:
        letters: all letters that a name may have; None for any.
        longest: bytes.
        without: texts that no name may have in it.
        what: the reason, for messages.
        but: paths in the member that may be otherwise.
        is_inside: it is of names inside packaged trees, too, and only a warning (`manifest.layout.name_rules`).
        code: of the warning, if it has one of its own, which says the reason.
    """

    letters: Letters | None = None
    longest: int = ANY_NUMBER
    without: tuple[str, ...] = ()
    what: str = ""
    say: Say = Say.WARN
    but: frozenset[bytes] = frozenset()
    is_inside: bool = False
    code: Code = Code.W_CHECK
    line: int = field(default=0, compare=False)

    def is_met_by(self, name: bytes) -> bool:
        """Return whether a name, without its folder, looks so."""
        text = name.decode("utf-8", "surrogateescape")
        is_of_letters = self.letters is None or self.letters.have_all(text)
        return is_of_letters and len(name) <= self.longest and not any(part in text for part in self.without)

    def found_in(self, name: bytes) -> str:
        """Return, in words, what of a name by which it is not met is wrong: the length, or letters or texts."""
        if len(name) > self.longest:
            return counted(len(name), "byte")
        text = name.decode("utf-8", "surrogateescape")
        wrong = [letter for letter in dict.fromkeys(text) if self.letters and not self.letters.has(letter)]
        wrong += [part for part in self.without if part in text]
        more = f" and {len(wrong) - _MOST_TEXTS} more" if len(wrong) > _MOST_TEXTS else ""
        return ", ".join(f'"{shown(part)}"' for part in wrong[:_MOST_TEXTS]) + more


@dataclass(frozen=True, slots=True)
class Unlike:
    """No two paths of the member are the same on disks that ignore case, also inside packaged trees; a warning."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What an XML file of the member lists is in the member.

    Attributes:
        steps: patterns of the parts of the path that such a file has in the member.
        elements: those that name a file, without their namespaces.
        attribute: the one that is the name; empty where the text of the element is it.
        folder: the listed files lie directly in it; empty for any folder.
        what: the reason, for messages.
    """

    steps: tuple[Patterns, ...]
    elements: frozenset[str]
    attribute: str
    folder: bytes
    what: str
    say: Say = Say.WARN
    line: int = field(default=0, compare=False)

    def is_list(self, path: bytes) -> bool:
        """Return whether a file at this path of the member is such a list."""
        parts = path.split(b"/")
        return len(parts) == len(self.steps) and all(
            step.fits(part) for step, part in zip(self.steps, parts, strict=True)
        )


# What the paths of a member decide, and the lists in it.
PathCheck = Count | Names | Listed
MemberCheck = PathCheck | Unlike
Check = Needs | Alike | Absent | ProjectCode | MemberCheck
