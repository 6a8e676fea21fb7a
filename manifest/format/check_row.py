"""Check rows: the checks of a member, as its plan and manifest record them, so that verify can apply them again.

Values only. `manifest.layout.recorded_checks` makes them of the checks of a layout, and checks of them.
"""

from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass


class CheckKind(StrEnum):
    """What a row is about."""

    COUNT = "count"
    NAMES = "names"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check. The fields that are not of its kind are empty.

    Attributes:
        what: the reason, for messages.
        refuses: where it is not met, it is a problem and no warning.
        line: where it begins in the layout file; 0 if that is not known.
        folder: of the member; empty for the member itself (count), or for any folder (listed).
        patterns: of names, one of which is enough (count), or of each part of the path of a list (listed).
        likes: what the values of the variables in the patterns look like, each with its name.
        least, most: how many entries of the folder may have such names (count).
        letters: first and last code point of each range of letters that a name may have; empty for any (names).
        longest: bytes of a name; 0 for any number (names).
        without: texts that no name has in it (names).
        but: paths in the member that may be otherwise (names).
        is_inside: it is of names inside packaged trees, too (names).
        code: of the problem by which it warns; empty for `warning-check` (names).
        elements, attribute: which elements of a list name a file, and by which attribute (listed).
    """

    kind: CheckKind
    what: str
    refuses: bool
    line: int = 0
    folder: bytes = b""
    patterns: tuple[str, ...] = ()
    likes: tuple[tuple[str, str], ...] = ()
    least: int = 0
    most: int = 0
    letters: tuple[tuple[int, int], ...] = ()
    longest: int = 0
    without: tuple[str, ...] = ()
    but: tuple[bytes, ...] = ()
    is_inside: bool = False
    code: str = ""
    elements: tuple[str, ...] = ()
    attribute: str = ""
