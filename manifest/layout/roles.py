"""Roles of a member by its manifest: those that it recorded, else those of the layout of that time."""

import functools

from qa2pack.manifest.format.header import Header
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.role import Role

# Members that were made before roles were recorded, and those that were adopted, have its folders.
_FIRST_LAYOUT = "cycle0"


def roles_of(header: Header) -> tuple[Role, ...]:
    """Return the roles of a member, in the order in which they are shown."""
    return header.roles or _first_roles()


@functools.cache
def _first_roles() -> tuple[Role, ...]:
    return load_layout(_FIRST_LAYOUT).roles
