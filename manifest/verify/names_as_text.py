"""Names that a BagIt bag or an OCFL object cannot hold: in both they are text. Refused before one is made."""

from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.verify.checksum_lines import NotInABagError, bag_line


def check_in_bag(path: bytes) -> None:
    """Check that a bag can hold a file of this path.

    Raises:
        Refused: it cannot.
    """
    try:
        bag_line("", path)
    except NotInABagError as error:
        raise Refused(Problem(Code.BAG_NAME, path, found=error.reason)) from error


def check_in_object(path: bytes) -> None:
    """Check that an OCFL object can hold a file of this path; raises as `check_in_bag`."""
    try:
        path.decode()
    except UnicodeDecodeError as error:
        raise Refused(Problem(Code.BAG_NAME, path, found="the name is not UTF-8")) from error
