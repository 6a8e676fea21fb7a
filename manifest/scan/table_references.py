"""Tables that are of no use alone, because their rows or subtables lie in tables that are not packaged with them.

A table names others either by their whole path, which the receiver does not have, or by their place as seen from
its own. The second holds in the package if the other table gets the same place there.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qa2pack.manifest.casa.table_names import TableNames, located, read_table_names
from qa2pack.manifest.fs.presence import is_file
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem

DESCRIPTION = b"table.dat"


@dataclass(frozen=True, slots=True)
class Reference:
    """A table that names another one outside of its own folder.

    Attributes:
        source: folder of the table, relative to the origin or absolute.
        path: its folder in the package.
        name: of the other table, as written.
        is_rows: rows of this table are in the other one, which is not merely a subtable.
    """

    source: bytes
    path: bytes
    name: bytes
    is_rows: bool


def references(root: bytes, source: bytes, path: bytes) -> Iterator[Reference]:
    """Yield what the table in a folder of the origin names outside of its own folder; nothing if it is no table."""
    names: TableNames = read_table_names(os.path.join(root, source))
    for is_rows, group in ((True, names.rows), (False, names.keywords)):
        yield from (Reference(source, path, name, is_rows) for name in group if not _is_inside(name))


def item_references(root: bytes, items: Iterable[Item]) -> Iterator[Reference]:
    """Yield the references of the tables that are items, not of what lies in them."""
    for item in items:
        if item.is_tree:
            yield from references(root, item.source, item.path)


def reference_problems(
    root: bytes, found: Iterable[Reference], items: Iterable[Item], *, split: frozenset[bytes]
) -> list[Problem]:
    """Return a problem for each reference that does not hold in the package.

    Args:
        root: the origin, absolute and resolved.
        split: paths in the package of tables that lose columns, so that no rows can be taken from them.
    """
    items_by_path = {item.path: item for item in items if item.is_tree}
    broken = (each for each in found if not _holds(root, each, items_by_path, split))
    return list(dict.fromkeys(_problem(root, each) for each in broken))


def _problem(root: bytes, reference: Reference) -> Problem:
    table = os.path.join(root, reference.source)
    other = shown(located(reference.name, table))
    return Problem(Code.TABLE_REFERS, table, found=f"{'rows' if reference.is_rows else 'a subtable'} in {other}")


def _is_inside(name: bytes) -> bool:
    return name.startswith(b"././") and b".." not in name.split(b"/")


def _holds(root: bytes, reference: Reference, items_by_path: Mapping[bytes, Item], split: frozenset[bytes]) -> bool:
    path = located(reference.name, reference.path)
    if not reference.name.startswith(b"./") and path != os.path.dirname(reference.path):
        return False  # a whole path, or one that depends on where a program was started
    if reference.is_rows and path in split and not reference.path.startswith(path + b"/"):
        return False  # an index that CASA keeps in a measurement set (SORTED_TABLE) may go without its columns
    packaged = _source_of(path, items_by_path)
    if packaged is None:
        return False
    here = os.path.realpath(os.path.join(root, packaged))
    there = os.path.realpath(located(reference.name, os.path.join(root, reference.source)))
    return here == there and is_file(join(here, DESCRIPTION))


def _source_of(path: bytes, items_by_path: Mapping[bytes, Item]) -> bytes | None:
    """Return where in the origin that comes from what the package has at a path, None if no tree holds the path."""
    folder, rest = path, b""
    while folder:
        item = items_by_path.get(folder)
        if item is not None:
            return join(item.source, rest) if rest else item.source
        folder, _, name = folder.rpartition(b"/")
        rest = join(name, rest) if rest else name
    return None
