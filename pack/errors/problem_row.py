"""The texts of one problem code: what it is, its usual cause, the remedies with their commands."""

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.problem import Remedy


@dataclass(frozen=True, slots=True)
class Row:
    """The texts of one problem code.

    Attributes:
        what: the problem as a sentence; its path is shown below.
        cause: the usual cause.
        remedy: what to do, as a sentence.
        commands: what to type for it, each alone on a line; `PACKAGE`, `ORIGIN` and `MODE` are filled in.
        others: what to do in other cases.
    """

    what: str
    cause: str
    remedy: str
    commands: tuple[str, ...] = ()
    others: tuple[Remedy, ...] = ()

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """All remedies, the usual one first."""
        return (Remedy(self.remedy, self.commands), *self.others)
