"""Errors of apply and rollback that a failed command tells apart, without an import of what raises them."""

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.problem import PackError, Problem, Refused, Remedy


class OriginChangedError(PackError):
    """Sources are not as planned; nothing is visible, and correctly staged files are kept.

    Attributes:
        problems: one for each such source, which several files may have.
    """

    def __init__(self, problems: tuple[Problem, ...], remedies: tuple[Remedy, ...] = ()) -> None:
        super().__init__("; ".join(map(str, problems[:5])))
        self.problems = tuple(dict.fromkeys(problems))
        self.remedies = remedies


class OriginAwayError(PackError):
    """The origin is not at its path, or a disk in it is not mounted; what is left to do there is done when it is.

    Attributes:
        problems: one for each disk.
    """

    remedies = (
        Remedy("Mount it, or bring it back to this path, then:", ("pack apply PACKAGE",)),
        Remedy(
            "If it is gone for good, copy one of its files there from the package, with cp -p: then this command "
            "ends without the others, and reports them.",
        ),
    )

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class CannotUndoError(Refused):
    """A rollback is not possible in the present state; nothing is lost, and the package stays in place.

    The name is part of the Python interface. The first of the problems is the reason, the others are the files that
    make it so.
    """


class NotFiledError(OSError):
    """The disk failed after the end of a transaction: its package is in place, only its journal may not be filed.

    Attributes:
        package: where the package is now; it may have got this name by the transaction.
    """

    def __init__(self, error: OSError, package: Package) -> None:
        super().__init__(error.errno, error.strerror, error.filename, None, error.filename2)
        self.package = package
