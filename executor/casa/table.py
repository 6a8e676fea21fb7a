"""python-casacore adapter: a typed interface of the few table methods that this project uses.

casacore is imported when a table is first opened, because the import takes a good part of a second. It accepts paths
as UTF-8 text only, so it only gets paths of scratch folders, never of an origin or a package.

Only child processes of `executor.casa.environment` may call these functions. A table that names a storage manager for
which casacore would load a library is not opened; the names are read from the same file that casacore then opens.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.column_split import Manager, TableShape, UnknownManagersError
from qa2pack.manifest.casa.table_dat import Kind, read_table_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values: TypeAlias = "NDArray[Any]"


class Table(Protocol):
    """An open casacore table; every method raises RuntimeError if casacore fails."""

    def endianformat(self) -> str: ...
    def nrows(self) -> int: ...
    def colnames(self) -> list[str]: ...
    def keywordnames(self) -> list[str]: ...
    def colkeywordnames(self, columnname: str) -> list[str]: ...
    def getkeywords(self) -> dict[str, Any]: ...
    def getcolkeywords(self, columnname: str) -> dict[str, Any]: ...
    def putkeyword(self, keyword: str, value: str) -> None: ...
    def putcolkeyword(self, columnname: str, keyword: str, value: str) -> None: ...
    def getdesc(self) -> dict[str, Any]: ...
    def getdminfo(self) -> dict[str, dict[str, Any]]: ...
    def iscelldefined(self, columnname: str, rownr: int) -> bool: ...
    def getcell(self, columnname: str, rownr: int) -> object: ...
    def getcol(self, columnname: str, startrow: int = 0, nrow: int = -1) -> Values: ...
    def putcol(self, columnname: str, value: Values, startrow: int = 0, nrow: int = -1) -> None: ...
    def getcolshapestring(self, columnname: str, startrow: int = 0, nrow: int = -1) -> list[str]: ...
    def addcols(self, desc: Mapping[str, Any], dminfo: Mapping[str, Any]) -> None: ...
    def selectrows(self, rownrs: "Sequence[int] | Values") -> "Table": ...
    def copy(self, newtablename: str, deep: bool = False, valuecopy: bool = False) -> "Table": ...
    def removecols(self, columnnames: Sequence[str]) -> None: ...
    def renamecol(self, oldname: str, newname: str) -> None: ...
    def removecolkeyword(self, columnname: str, keyword: str) -> None: ...
    def close(self) -> None: ...


@contextmanager
def opened_table(path: str, *, writable: bool = False) -> Iterator[Table]:
    """Open a table; all its files are closed afterwards.

    Read-only, casacore writes only `table.lock`. Writable, it opens every file that it uses for writing.

    Raises:
        RuntimeError: casacore cannot open it.
        UnreadableTableError: the names of its managers cannot be read with certainty.
        UnknownManagersError: casacore would load a library for it.
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
    if found.kind != Kind.PLAIN:  # casacore would open others, which nobody has looked into
        raise UnreadableTableError(f"it is a {found.kind}, which takes its content from other tables")
    if unknown := found.unknown():
        raise UnknownManagersError(unknown)


def create_table(
    path: str, description: Mapping[str, Any], managers: Mapping[str, Any], *, endian: str = "aipsrc"
) -> None:
    """Make a table without rows; its numbers are in the order of bytes `endian`, or as casacore has it here."""
    from casacore import tables

    made = tables.table(path, dict(description), nrow=0, dminfo=dict(managers), endian=endian, ack=False)
    cast(Table, made).close()


def read_shape(table: Table) -> TableShape:
    """Return columns and storage managers of an open table."""
    managers = (
        Manager(int(info["SEQNR"]), str(info["TYPE"]), tuple(info["COLUMNS"]), _targets(info["SPEC"]))
        for info in table.getdminfo().values()
    )
    return TableShape(
        columns=tuple(table.colnames()),
        managers=tuple(sorted(managers, key=lambda manager: manager.sequence)),
        is_measurement_set="MS_VERSION" in table.keywordnames(),
    )


def _targets(spec: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(spec[key]) for key in ("TARGETNAME", "SCALENAME", "OFFSETNAME") if spec.get(key))


def tile_bytes(table: Table) -> dict[int, int]:
    """Return, by sequence number, how many bytes of tiles every tiled storage manager must have on disk."""
    return {
        int(info["SEQNR"]): sum(_cube_bytes(cube) for cube in info["SPEC"]["HYPERCUBES"].values())
        for info in table.getdminfo().values()
        if "HYPERCUBES" in info["SPEC"]
    }


def cell_shapes(table: Table, column: str, rows: range) -> Values:
    """Return the shape of every cell as text, empty for an undefined cell; no value is read."""
    import numpy as np

    try:
        shapes = np.array(table.getcolshapestring(column, rows.start, len(rows)), dtype=np.str_)
    except RuntimeError:  # casacore gives no shapes at all if one cell is undefined
        return np.array([_shape_of_cell(table, column, row) for row in rows], dtype=np.str_)
    return np.broadcast_to(shapes, len(rows))  # of a column of fixed shape it comes only once


def _shape_of_cell(table: Table, column: str, row: int) -> str:
    try:
        return table.getcolshapestring(column, row, 1)[0] if table.iscelldefined(column, row) else ""
    except RuntimeError:  # an incremental manager calls cells defined that are not
        return ""


def _cube_bytes(cube: Mapping[str, Any]) -> int:
    import numpy as np

    tiles = -(-np.asarray(cube["CubeShape"], dtype=np.int64) // np.asarray(cube["TileShape"], dtype=np.int64))
    return int(np.prod(tiles)) * int(cube["BucketSize"])
