"""Roles: the first folders of a member, each for files of one purpose, as its layout declares them.

A plan records the roles of its layout, so that a package can be shown and verified without the layout file.
"""

from collections.abc import Iterable
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass


class Shown(StrEnum):
    """What the report page shows of a role."""

    PICTURES = "pictures"  # and the texts beside them
    SCRIPTS = "scripts"
    PRODUCTS = "products"  # their names and sizes


@dataclass(frozen=True, slots=True)
class Role:
    """One role.

    Attributes:
        name: of the folder, and of the role.
        text: what it holds.
        is_always: the folder is made also where nothing goes into it.
        in_tickets: its files go into the ticket files.
        is_listed: a plan names its files, because people know them by name.
        shown: what the report page shows of it; empty for its tables alone.
    """

    name: str
    text: str = ""
    is_always: bool = False
    in_tickets: bool = False
    is_listed: bool = False
    shown: tuple[Shown, ...] = ()

    @property
    def folder(self) -> bytes:
        """The folder of the role, relative to the member."""
        return self.name.encode()


def role_of(path: bytes, *, is_folder: bool = False) -> bytes:
    """Return the first folder of a path in the member, by which files are counted; empty directly in the member."""
    first, slash, _ = path.partition(b"/")
    return first if slash or is_folder else b""


def names_of(roles: Iterable[Role]) -> str:
    """Return the names of the roles in one text, for messages."""
    return ", ".join(role.name for role in roles)
