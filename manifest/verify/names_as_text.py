"""Names that a BagIt bag or an OCFL object cannot hold: in both they are text. Found before one is made."""

from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.verify.checksum_lines import NotInABagError, bag_line

_MOST = 1000  # problems in memory: of a tree with millions of files all names may be wrong


class WrongNames:
    """Collects the paths that cannot be held, each once."""

    def __init__(self) -> None:
        self._problems: dict[bytes, Problem] = {}

    def add(self, path: bytes, reason: str) -> None:
        """Add a path, if there is a reason why it cannot be held.

        Raises:
            Refused: as `end`; there are so many that no more are collected.
        """
        if reason:
            self._problems.setdefault(path, Problem(Code.BAG_NAME, path, found=reason))
            if len(self._problems) == _MOST:
                self.end()

    def end(self) -> None:
        """Refuse what cannot be held.

        Raises:
            Refused: there is something.
        """
        if self._problems:
            raise Refused(*self._problems.values())


def not_in_a_bag(path: bytes) -> str:
    """Return why a bag cannot hold a file of this path; empty if it can."""
    try:
        bag_line("", path)
    except NotInABagError as error:
        return error.reason
    return ""


def not_in_an_object(path: bytes) -> str:
    """Return why an OCFL object cannot hold a file of this path; empty if it can."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return "the name is not UTF-8"
    return ""
