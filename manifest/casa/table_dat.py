"""`table.dat` of a CASA table, read without casacore: its kind, data managers, and the tables that it names.

For a data manager that it does not know casacore loads a shared library of that name, so a table can bring code that
runs when it is opened; and a table may need others, which are not packaged with it. Both must be known before
anything is opened, wherever the table lies. The form is described in casacore's sources `BaseTable.cc`,
`PlainTable.cc`, `RefTable.cc`, `ConcatTable.cc` and `RecordDesc.cc`.

Managers are read with certainty or not at all, since a name that were overlooked would be loaded. Of tables that are
named, what cannot be understood is left out: that a table is broken is for casacore to say.
"""

import os
import stat
import struct
from collections import defaultdict
from dataclasses import replace
from enum import StrEnum

from qa2pack.manifest.casa.aips_io import Reader, UnreadableTableError
from qa2pack.manifest.casa.table_keywords import Named, keywords
from qa2pack.manifest.dataclass import dataclass

# Compiled into casacore, and opening nothing but the table's own files. ForwardColumnEngine opens a table that a
# keyword names, and VirtualTaQLColumn runs a command of the table, which may name libraries: both stay out.
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
        "BitFlagsEngine<uChar   ",  # cut at the comma: so casacore itself calls and registers them
        "BitFlagsEngine<Short   ",
        "BitFlagsEngine<Int     ",
        "AntennaPairStMan",
        "DyscoStMan",
        "SiscoStMan",
        "StokesIStMan",
        "UvwStMan",
    }
)

# Those that write a first file, `table.f<number>`, also of a table without rows.
_WITH_FILE = frozenset({"StandardStMan", "IncrementalStMan", "TiledColumnStMan", "TiledShapeStMan", "TiledCellStMan"})

_VERSION = b"\0\0\0\x0aMS_VERSION"  # the name of a keyword, after its length
_MAGIC = b"\xbe" * 4
_VERSIONS = (2, 3)
_MANAGER_COUNT = 1 << 16
# Some 10 kB in most tables. That of a selection grows with its rows, but says first from which table they are.
_HEAD_BYTES = 1 << 20
_MOST_BYTES = 1 << 30
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class NoTableError(UnreadableTableError):
    """`table.dat` is a file of another program, not a damaged one of casacore."""


class Kind(StrEnum):
    """What a table is made of."""

    PLAIN = "PlainTable"
    SELECTION = "RefTable"  # rows and columns of another table
    CONCATENATION = "ConcatTable"  # other tables, one after the other


@dataclass(frozen=True, slots=True)
class TableFile:
    """The content of a `table.dat`.

    Attributes:
        kind: one of `Kind`, or whatever else stands there; only a plain table has data managers of its own.
        data: of a plain table all bytes, of others the first of them.
        body: where in the data that begins which depends on the kind.
        row_count: the number of rows that it has without its `table.lock` (see `manifest.table_lock`).
    """

    kind: str
    data: bytes
    body: int
    row_count: int

    @property
    def is_measurement_set(self) -> bool:
        """Whether it has the keyword without which CASA takes no table for a measurement set."""
        return _VERSION in self.data

    def managers(self) -> frozenset[str]:
        """Return the names of the data managers.

        Raises:
            UnreadableTableError: they cannot be read with certainty.
        """
        return frozenset(name for name, _ in self._numbered())

    def unknown(self) -> tuple[str, ...]:
        """Return the managers for which casacore might load a library or open another table; raises as `managers`."""
        return tuple(sorted(self.managers() - TRUSTED))

    def first_files(self) -> frozenset[bytes]:
        """Return the names of files without which it does not open, unless one file holds the whole table.

        Raises:
            UnreadableTableError: as `managers`, or the data are not as long as they say.
        """
        if self.kind == Kind.PLAIN and 4 + Reader(self.data, 4).number() != len(self.data):
            raise UnreadableTableError("table.dat is not as long as it says")
        return frozenset(b"table.f%d" % number for name, number in self._numbered() if name in _WITH_FILE)

    def _numbered(self) -> tuple[tuple[str, int], ...]:
        """Return the managers, each with the number in the names of its files."""
        return _managers(Reader(self.data, self.body)) if self.kind == Kind.PLAIN else ()

    def names(self) -> "TableNames":
        """Return what is said of other tables; of what makes no sense nothing."""
        if self.kind == Kind.PLAIN:
            return self._plain_names()
        try:
            return TableNames(Kind(self.kind), rows=_rows(Reader(self.data, self.body), self.kind))
        except (UnreadableTableError, ValueError):
            return TableNames()

    def _plain_names(self) -> "TableNames":
        found: dict[Named, set[bytes]] = defaultdict(set)
        for name, named in keywords(self.data):
            found[named].add(name)
        said = {named: sorted(found[named]) for named in Named}
        subtables = tuple(said[Named.SUBTABLE])
        try:
            managers = self.managers()
        except UnreadableTableError:
            return TableNames(keywords=subtables)
        if managers <= TRUSTED:
            return TableNames(keywords=subtables)
        from qa2pack.manifest.casa.values_elsewhere import forwarded, values_elsewhere  # of few tables

        rows, elsewhere = forwarded(managers, said), values_elsewhere(managers, said)
        return TableNames(rows=tuple(rows), keywords=subtables, elsewhere=tuple(elsewhere))


@dataclass(frozen=True, slots=True)
class TableNames:
    """What `table.dat` says of other tables.

    Attributes:
        rows: tables that its rows, or the values of a column, are in, as written.
        keywords: tables that keywords of the table and of its columns name, as written.
        elsewhere: in words, values of columns that come from where no path of a table tells; see `values_elsewhere`.
        images: the parts of an image, as written; see `image_files`.
    """

    kind: Kind = Kind.PLAIN
    rows: tuple[bytes, ...] = ()
    keywords: tuple[bytes, ...] = ()
    elsewhere: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()


def read_table_file(table: bytes) -> TableFile:
    """Read the `table.dat` of the table in a folder; never waits.

    Raises:
        OSError: it cannot be read.
        UnreadableTableError: it does not begin as casacore writes it, or is larger than any.
    """
    path = os.path.join(table, b"table.dat")  # a link after a move
    with open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnreadableTableError("table.dat is not a regular file")
        found = parse_table_file(file.read(_HEAD_BYTES))
        if found.kind != Kind.PLAIN or len(found.data) < _HEAD_BYTES:
            return found
        data = found.data + file.read(_MOST_BYTES)
    if len(data) > _MOST_BYTES:
        raise UnreadableTableError(f"table.dat has more than {_MOST_BYTES:,} bytes")
    return replace(found, data=data)


def parse_table_file(data: bytes) -> TableFile:
    """Return what the bytes of a `table.dat` are.

    Raises:
        UnreadableTableError: they do not begin as casacore writes them.
    """
    reader = Reader(data)
    if data and not _MAGIC.startswith(data[: len(_MAGIC)]):
        raise NoTableError("table.dat does not begin as casacore's files do")
    reader.skip(len(_MAGIC))
    version, _ = reader.start(b"Table")
    if version not in _VERSIONS:
        raise UnreadableTableError(f"table.dat is of version {version}, not 2 or 3")
    row_count = reader.number() if version == 2 else reader.number() << 32 | reader.number()
    reader.skip(4)  # the order of bytes in the files of the managers
    kind = reader.name()
    return TableFile(kind, data, reader.at, row_count)


def located(name: bytes, table: bytes) -> bytes:
    """Return the path that a name in the table at a path stands for, as casacore's `Path::addDirectory` does.

    The path may be relative. A name with `././` before it lies in the table's folder, with `./` beside it; the own
    name of the table with `/.` after it is the table that it lies in.
    """
    if name == os.path.basename(table) + b"/.":
        return os.path.dirname(table)
    if name.startswith(b"././"):
        return os.path.normpath(os.path.join(table, name[4:]))
    return os.path.normpath(os.path.join(os.path.dirname(table), name))


def _managers(reader: Reader) -> tuple[tuple[str, int], ...]:
    _, end = reader.start(b"TableDesc")
    reader.skip(end - reader.at)
    version = -struct.unpack(">i", reader.number().to_bytes(4, "big"))[0]
    if version not in _VERSIONS:
        raise UnreadableTableError("table.dat lists its columns in an unknown form")
    reader.skip(4 if version == 2 else 16)  # the count of rows; in the newer form how files are kept, too
    reader.skip(4)  # the number for the next manager
    count = reader.number()
    if count > _MANAGER_COUNT:
        raise UnreadableTableError(f"table.dat lists {count} data managers")
    return tuple((reader.name(), reader.number()) for _ in range(count))


def _rows(reader: Reader, kind: str) -> tuple[bytes, ...]:
    reader.start(kind.encode())
    count = reader.number() if kind == Kind.CONCATENATION else 1
    rows = tuple(reader.text() for _ in range(count))
    if any(b"\0" in name for name in rows):  # no path has one
        raise UnreadableTableError("table.dat names a table by what is no path")
    return rows
