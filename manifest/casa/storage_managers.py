"""Storage managers: names of a table's data managers, read from `table.dat` without casacore.

casacore loads a shared library for a manager name that it does not know, so a table can bring code that runs when the
table is opened. Nothing here calls casacore. What cannot be read with certainty is an error: a name that was
overlooked would be loaded. The format is casacore's AipsIO: big-endian numbers, strings, and objects that begin with
their length. casacore refuses an object whose length is wrong, so skipping by the length is safe.
"""

import os
import stat
import struct
from dataclasses import dataclass
from typing import BinaryIO

PLAIN = "PlainTable"

# Compiled into casacore, and opening nothing but the table's own files. ForwardColumnEngine opens a table that a
# keyword names, and VirtualTaQLColumn runs a command of the table, which may name libraries: both are excluded.
TRUSTED = frozenset(
    {
        "StandardStMan",
        "IncrementalStMan",
        "TiledColumnStMan",
        "TiledShapeStMan",
        "TiledCellStMan",
        "TiledDataStMan",
        "StManAipsIO",
        "MemoryStMan",
        "CompressFloat",
        "CompressComplex",
        "CompressComplexSD",
        "MappedArrayEngine<Complex ,DComplex>",
        "BitFlagsEngine<uChar   ",  # cut at the comma, as casacore itself registers them
        "BitFlagsEngine<Short   ",
        "BitFlagsEngine<Int     ",
        "AntennaPairStMan",
        "DyscoStMan",
        "SiscoStMan",
        "StokesIStMan",
        "UvwStMan",
    }
)

_MAGIC = 0xBEBEBEBE
_VERSIONS = (2, 3)
_NAME_BYTES = 255
_MANAGER_COUNT = 1 << 16


class UnreadableTableError(Exception):
    """`table.dat` is not as casacore writes it; str() says how it differs."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """The beginning of a `table.dat`.

    Attributes:
        kind: PlainTable; or RefTable and others, which take their content from other tables.
        managers: names of the data managers of a plain table; other kinds have none of their own.
    """

    kind: str
    managers: frozenset[str]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names for which casacore might load a library or open another table, sorted."""
        return tuple(sorted(self.managers - TRUSTED))


def read_table_file(table: bytes) -> TableFile:
    """Read the beginning of a table's `table.dat`; never blocks, and reads only names.

    Raises:
        OSError: `table.dat` cannot be read.
        UnreadableTableError: it is not what casacore writes.
    """
    path = os.path.join(table, b"table.dat")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UnreadableTableError("table.dat is not a regular file")
        return _read(file)


def _read(file: BinaryIO) -> TableFile:
    if _number(file) != _MAGIC:
        raise UnreadableTableError("table.dat does not begin as casacore's files do")
    _object(file, "Table")
    version = _number(file)
    if version not in _VERSIONS:
        raise UnreadableTableError(f"table.dat is of version {version}, not 2 or 3")
    _skip(file, 4 if version == 2 else 8)  # the count of rows
    _skip(file, 4)  # byte order of the managers' files
    kind = _string(file)
    return TableFile(kind, _managers(file) if kind == PLAIN else frozenset())


def _managers(file: BinaryIO) -> frozenset[str]:
    start = file.tell()
    length = _object(file, "TableDesc")
    file.seek(start + length)
    version = -_signed(file)
    if version not in _VERSIONS:
        raise UnreadableTableError("table.dat lists its columns in an unknown form")
    _skip(file, 4 if version == 2 else 16)  # row count; in the newer form also the storage option
    _skip(file, 4)  # sequence number of the next manager
    count = _number(file)
    if count > _MANAGER_COUNT:
        raise UnreadableTableError(f"table.dat lists {count} data managers")
    names = set()
    for _ in range(count):
        names.add(_string(file))
        _skip(file, 4)  # its number
    return frozenset(names)


def _object(file: BinaryIO, kind: str) -> int:
    """Read the beginning of an object; return its bytes, counted from its beginning."""
    length = _number(file)
    found = _string(file)
    if found != kind:
        raise UnreadableTableError(f"table.dat holds {found!a} where {kind} should be")
    return length


def _string(file: BinaryIO) -> str:
    length = _number(file)
    if length > _NAME_BYTES:
        raise UnreadableTableError(f"table.dat holds a name of {length} bytes")
    return _taken(file, length).decode("latin-1")


def _number(file: BinaryIO) -> int:
    value: int = struct.unpack(">I", _taken(file, 4))[0]
    return value


def _signed(file: BinaryIO) -> int:
    value: int = struct.unpack(">i", _taken(file, 4))[0]
    return value


def _skip(file: BinaryIO, count: int) -> None:
    _taken(file, count)


def _taken(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise UnreadableTableError("table.dat ends too early")
    return data
