"""Table references: problems for tables whose rows or subtables are in tables that are not packaged with them.

A table names others either by their whole path, which the receiver does not have, or by their place as seen from
its own. The second holds in the package if the other table gets the same place there, and no glob leaves it out.
A subtable that the origin does not have either is no reason to refuse; `broken_tables` warns of it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from qa2pack.manifest.casa.table_dat import TableNames, located
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import is_file, leads_anywhere, real_path
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem

DESCRIPTION = b"table.dat"
INSIDE = b"././"  # begins the names of tables that lie in the folder of the one that names them
OF_IMAGES = frozenset({b"imageconcat.json", b"imageexpr.json"})  # see `manifest.casa.image_files`


class Needed(StrEnum):
    """What another table holds."""

    ROWS = "rows"
    SUBTABLE = "a subtable"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class Reference:
    """A table or image that names another one which may not come with it.

    Attributes:
        source: folder of the table, relative to the origin or absolute.
        path: its folder in the package.
        name: name of the other table, as written.
        needed: what of this one the other table holds.
        elsewhere: in words, what comes from where no name tells; then there is no name.
    """

    source: bytes
    path: bytes
    name: bytes = b""
    needed: Needed = Needed.ROWS
    elsewhere: str = ""


def references(names: TableNames, source: bytes, path: bytes, exclude: Sequence[str]) -> Iterator[Reference]:
    """Yield what a table names outside of its own folder, and what globs leave out inside of it."""
    groups = ((Needed.ROWS, names.rows), (Needed.SUBTABLE, names.keywords), (Needed.PIXELS, names.images))
    for needed, group in groups:
        for name in group:
            if not is_inside(name) or _excluded_by(located(name, source), source, exclude):
                yield Reference(source, path, name, needed)
    for values in names.elsewhere:
        yield Reference(source, path, elsewhere=values)


def reference_problems(
    root: bytes,
    found: Iterable[Reference],
    items: Iterable[Item],
    *,
    split: frozenset[bytes],
    exclude: Sequence[str],
) -> list[Problem]:
    """Return a problem for each reference that is not valid in the package.

    Args:
        root: the origin, absolute and resolved.
        split: paths in the package of tables that lose columns, so that no rows can be taken from them.
        exclude: globs of what is left out.
    """
    view = _View(root, {item.path: item for item in items if item.is_tree}, split, exclude)
    return list(dict.fromkeys(problem for each in found for problem in view.problems(each)))


def torn_table(table: bytes, part: bytes, glob: str) -> Problem:
    """Return the problem of a table of which the glob leaves out a part; both paths are absolute."""
    return Problem(Code.TABLE_PART_EXCLUDED, table, found=f"{shown(part.removeprefix(table + b'/'))} matches {glob}")


def is_inside(name: bytes) -> bool:
    """Return whether a table that another one names lies in the folder of that one."""
    return name.startswith(INSIDE) and b".." not in name.split(b"/")


def _excluded_by(path: bytes, top: bytes, exclude: Sequence[str]) -> str | None:
    """Return the glob that matches the path, or a folder on the way to it from a folder that is packaged."""
    parts = path.removeprefix(top + b"/").split(b"/") if exclude else []
    on_the_way = (join(top, b"/".join(parts[:count])) for count in range(1, len(parts) + 1))
    return next(filter(None, (first_match(each, exclude) for each in on_the_way)), None)


@dataclass(frozen=True, slots=True)
class _View:
    """The package as it will be, and the origin that it comes from."""

    root: bytes
    trees: Mapping[bytes, Item]
    split: frozenset[bytes]
    exclude: Sequence[str]

    def problems(self, reference: Reference) -> Iterator[Problem]:
        """Yield a problem if the reference does not hold in the package."""
        if reference.elsewhere:
            yield Problem(Code.TABLE_REFERS, os.path.join(self.root, reference.source), found=reference.elsewhere)
            return
        glob, is_held = self._look_up(reference)
        if is_held and not glob:
            return
        table = os.path.join(self.root, reference.source)
        other = located(reference.name, table)
        if glob and not is_file(join(other, DESCRIPTION)):
            return  # the origin does not have it
        if glob:
            yield torn_table(table, other, glob)
        else:
            yield Problem(Code.TABLE_REFERS, table, found=f"{reference.needed} in {shown(other)}")

    def _look_up(self, reference: Reference) -> tuple[str | None, bool]:
        """Return the glob that leaves out what the reference names, and whether it is where it is looked for."""
        path = located(reference.name, reference.path)
        if not reference.name.startswith(b"./") and path != os.path.dirname(reference.path):
            return None, False  # a whole path, or one that depends on where a program was started
        if reference.needed is Needed.ROWS and path in self.split and not reference.path.startswith(path + b"/"):
            return None, False  # an index that CASA keeps in a measurement set (SORTED_TABLE) may lose its columns
        item = self._tree_with(path)
        if item is None:
            return None, False
        packaged = item.source + path[len(item.path) :]
        here = real_path(os.path.join(self.root, packaged))
        there = real_path(located(reference.name, os.path.join(self.root, reference.source)))
        is_part = reference.needed is Needed.PIXELS and leads_anywhere(
            here
        )  # also a FITS file, or another such image
        is_held = here == there and (is_part or is_file(join(here, DESCRIPTION)))
        return _excluded_by(packaged, item.source, self.exclude), is_held

    def _tree_with(self, path: bytes) -> Item | None:
        """Return the tree that holds a path of the package."""
        folder = path
        while folder and folder not in self.trees:
            folder = folder.rpartition(b"/")[0]
        return self.trees.get(folder)
