"""Roles of a member by its manifest: those that it recorded, else those of the layout of that time; and its names."""

import functools
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.member_ids import is_of_cycle0
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.layout.load import load_layout, load_roles
from qa2pack.manifest.role import Role

if TYPE_CHECKING:
    from qa2pack.manifest.layout.name_rules import NameRules

# Members that were made before roles were recorded, all in the tree of Cycle 0, and those that were adopted without
# a layout, have its folders. Other members without roles are those of a layout that declares none.
_FIRST_LAYOUT = "cycle0"


def roles_of(header: Header) -> tuple[Role, ...]:
    """Return the roles of a member, in the order in which they are shown."""
    if header.roles or not (header.is_of_unknown_layout or is_of_cycle0(header.member)):
        return header.roles
    return _first_roles()


def has_ticket_files(header: Header) -> bool:
    """Return whether the layout of a member has ticket files: a folder, the files of which go into them."""
    return any(role.in_tickets for role in roles_of(header))


def adopted_names() -> "NameRules":
    """Return what names are warned of in a member of which no layout is known."""
    return load_layout(_FIRST_LAYOUT).name_rules


@functools.cache
def _first_roles() -> tuple[Role, ...]:
    return load_roles(_FIRST_LAYOUT)
