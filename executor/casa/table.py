"""The edge to python-casacore, which has no types: what this project uses of it, and no more.

casacore is imported when a table is first opened, because that takes a good part of a second. It knows paths
as UTF-8 text only, so it is only ever given paths of scratch folders, never of an origin or a package.

Only children that `executor.fence` makes may call what is here. No table is opened that names a manager which
casacore would have to look for, and that is read from the very file which casacore opens next.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from qa2pack.manifest.alma.split_spec import Manager, TableShape, UnknownManagersError
from qa2pack.manifest.casa.storage_managers import PLAIN, UnreadableTableError, read_table_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values: TypeAlias = "NDArray[Any]"


class Table(Protocol):
    """An open casacore table; every method raises RuntimeError where casacore is not content."""

    def nrows(self) -> int: ...
    def colnames(self) -> list[str]: ...
    def keywordnames(self) -> list[str]: ...
    def colkeywordnames(self, columnname: str) -> list[str]: ...
    def getdesc(self) -> dict[str, Any]: ...
    def getdminfo(self) -> dict[str, dict[str, Any]]: ...
    def iscelldefined(self, columnname: str, rownr: int) -> bool: ...
    def getcell(self, columnname: str, rownr: int) -> object: ...
    def getcol(self, columnname: str, startrow: int = 0, nrow: int = -1) -> Values: ...
    def putcol(self, columnname: str, value: Values, startrow: int = 0, nrow: int = -1) -> None: ...
    def getcolshapestring(self, columnname: str, startrow: int = 0, nrow: int = -1) -> list[str]: ...
    def selectrows(self, rownrs: "Sequence[int] | Values") -> "Table": ...
    def select(self, columns: str) -> "Table": ...
    def copy(self, newtablename: str, deep: bool = False, valuecopy: bool = False) -> "Table": ...
    def removecols(self, columnnames: Sequence[str]) -> None: ...
    def renamecol(self, oldname: str, newname: str) -> None: ...
    def removecolkeyword(self, columnname: str, keyword: str) -> None: ...
    def close(self) -> None: ...


@contextmanager
def opened_table(path: str, *, writable: bool = False) -> Iterator[Table]:
    """Open a table; all its files are closed afterwards.

    Read-only, casacore writes nothing but `table.lock`. Writable, it opens every file that it touches for
    writing.

    Raises:
        RuntimeError: casacore cannot open it.
        UnreadableTableError: it does not say with certainty which managers it has.
        UnknownManagersError: casacore would load code for it.
    """
    _refuse_unknown_managers(path)
    from casacore import tables

    table = cast(Table, tables.table(path, readonly=not writable, ack=False))
    try:
        yield table
    finally:
        table.close()


def _refuse_unknown_managers(path: str) -> None:
    found = read_table_file(os.fsencode(path))
    if found.kind != PLAIN:  # casacore would open others, which nobody has looked into
        raise UnreadableTableError(f"it is a {found.kind}, which takes its content from other tables")
    if found.unknown:
        raise UnknownManagersError(found.unknown)


def create_table(path: str, description: Mapping[str, Any], managers: Mapping[str, Any]) -> None:
    """Make a table without rows."""
    from casacore import tables

    cast(Table, tables.table(path, dict(description), nrow=0, dminfo=dict(managers), ack=False)).close()


def read_shape(table: Table) -> TableShape:
    """Return what an open table says of itself."""
    managers = (
        Manager(int(info["SEQNR"]), str(info["TYPE"]), tuple(info["COLUMNS"])) for info in table.getdminfo().values()
    )
    return TableShape(
        columns=tuple(table.colnames()),
        managers=tuple(sorted(managers, key=lambda manager: manager.sequence)),
        row_count=table.nrows(),
        is_measurement_set="MS_VERSION" in table.keywordnames(),
    )


def tile_bytes(table: Table) -> dict[int, int]:
    """Return how many bytes of tiles every tiled storage manager must have on disk, by its number."""
    return {
        int(info["SEQNR"]): sum(_cube_bytes(cube) for cube in info["SPEC"]["HYPERCUBES"].values())
        for info in table.getdminfo().values()
        if "HYPERCUBES" in info["SPEC"]
    }


def _cube_bytes(cube: Mapping[str, Any]) -> int:
    import numpy as np

    tiles = -(-np.asarray(cube["CubeShape"], dtype=np.int64) // np.asarray(cube["TileShape"], dtype=np.int64))
    return int(np.prod(tiles)) * int(cube["BucketSize"])
