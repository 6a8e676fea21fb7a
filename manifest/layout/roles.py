"""Roles of a member by its manifest: those that it recorded, else those of the layout of that time; and its names."""

import functools

from qa2pack.manifest.format.header import Header
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.role import Role

# Members that were made before roles were recorded, and those that were adopted, have its folders.
_FIRST_LAYOUT = "cycle0"


def roles_of(header: Header) -> tuple[Role, ...]:
    """Return the roles of a member, in the order in which they are shown."""
    return header.roles or _first_layout().roles


def adopted_names() -> NameRules:
    """Return what names are warned of in a member of which no layout is known."""
    return _first_layout().name_rules


@functools.cache
def _first_layout() -> Layout:
    return load_layout(_FIRST_LAYOUT)
