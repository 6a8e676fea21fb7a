"""Table names: the other tables that a table refers to (selection, concatenation, subtables), from `table.dat`.

casacore writes them in its AipsIO format, big-endian, described in its sources `AipsIO.cc`, `BaseTable.cc`,
`RefTable.cc`, `ConcatTable.cc` and `RecordDesc.cc`. They are parsed here, so that no table has to be opened. Data
that cannot be parsed yields nothing: casacore reports broken tables.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_MAGIC = b"\xbe\xbe\xbe\xbe"
_MOST_BYTES = 64 << 20  # a description is some 10 kB; only that of a selection grows, with its rows, after the name
_RECORD = re.compile(rb"(?s)....\x00\x00\x00\x0bTableRecord(?=\x00\x00\x00.)")
_DEEPEST = 50

# casacore's numbers of types (DataType.h): the bytes of a scalar, and what has another form.
_SCALAR_BYTES = {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 8: 8, 9: 8, 10: 16, 29: 8}
_STRING, _TABLE, _RECORD_TYPE = 11, 12, 25
_ARRAYS = frozenset({*range(13, 25), 30})


class Kind(StrEnum):
    """Kind of a table, by where its rows are."""

    PLAIN = "PlainTable"
    SELECTION = "RefTable"  # rows and columns of another table
    CONCATENATION = "ConcatTable"  # other tables, one after the other


@dataclass(frozen=True, slots=True)
class TableNames:
    """Other tables named in a `table.dat`.

    Attributes:
        rows: tables that hold its rows, as written.
        keywords: tables named by its keywords, as written.
    """

    kind: Kind = Kind.PLAIN
    rows: tuple[bytes, ...] = ()
    keywords: tuple[bytes, ...] = ()


def read_table_names(table: bytes) -> TableNames:
    """Return the tables that the table in the folder names; none if it cannot be read."""
    try:
        with open(os.path.join(table, b"table.dat"), "rb") as file:
            return parse_table_names(file.read(_MOST_BYTES))
    except OSError:
        return TableNames()


def parse_table_names(data: bytes) -> TableNames:
    """Return the tables that the bytes of a `table.dat` name; none if they cannot be parsed."""
    try:
        return _parsed(_Reader(data))
    except (struct.error, ValueError, LookupError):
        return TableNames()


def located(name: bytes, table: bytes) -> bytes:
    """Return the path of a table name written in the table at `table`, as casacore's `Path::addDirectory` does.

    The path may be relative. A name that begins with `././` is in the table's folder, one with `./` is beside the
    table; the table's own name followed by `/.` is the table that contains it.
    """
    if name == os.path.basename(table) + b"/.":
        return os.path.dirname(table)
    if name.startswith(b"././"):
        return os.path.normpath(os.path.join(table, name[4:]))
    return os.path.normpath(os.path.join(os.path.dirname(table), name))


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def number(self) -> int:
        (value,) = struct.unpack_from(">I", self.data, self.at)
        self.at += 4
        return int(value)

    def text(self) -> bytes:
        size = self.number()
        if self.at + size > len(self.data):
            raise ValueError("a text longer than the file")
        self.at += size
        return self.data[self.at - size : self.at]

    def start(self, *kinds: bytes) -> tuple[int, int]:
        """Enter an object of one of the kinds, or of any; return its version and where it ends."""
        begin = self.at
        end = begin + self.number()
        kind = self.text()
        if (kinds and kind not in kinds) or end <= self.at:
            raise ValueError(f"an object of the kind {kind!r}")
        return self.number(), end


def _parsed(reader: _Reader) -> TableNames:
    if reader.data[:4] != _MAGIC:
        raise ValueError("no AipsIO file")
    reader.at = 4
    version, _ = reader.start(b"Table")
    reader.at += 8 if version > 2 else 4  # rows
    reader.at += 4  # byte order of the storage managers
    kind = Kind(reader.text().decode())
    if kind is Kind.PLAIN:
        return TableNames(kind, keywords=tuple(sorted(set(_keywords(reader.data)))))
    reader.start(kind.value.encode())
    count = reader.number() if kind is Kind.CONCATENATION else 1
    return TableNames(kind, rows=tuple(reader.text() for _ in range(count)))


def _keywords(data: bytes) -> Iterator[bytes]:
    """Yield the table names in all keyword sets: those of the table, and of its columns."""
    for match in _RECORD.finditer(data):
        reader = _Reader(data, match.start())
        try:
            yield from _record(reader, depth=0)
        except (struct.error, ValueError, LookupError):
            continue  # bytes that only look like a keyword set


def _record(reader: _Reader, *, depth: int) -> list[bytes]:
    reader.start(b"TableRecord")
    fields = _description(reader, depth=depth)
    reader.number()  # whether the fields are fixed
    return list(_values(reader, fields, depth=depth))


@dataclass(frozen=True, slots=True)
class _Field:
    type: int
    fields: "tuple[_Field, ...]"


def _description(reader: _Reader, *, depth: int) -> tuple[_Field, ...]:
    if depth > _DEEPEST:
        raise ValueError("records too deep in each other")
    version, end = reader.start(b"RecordDesc")
    fields = []
    for _ in range(reader.number()):
        reader.text()  # name
        kind = reader.number()
        inner: tuple[_Field, ...] = ()
        if kind == _RECORD_TYPE:
            inner = _description(reader, depth=depth + 1)
        elif kind in _ARRAYS:
            reader.at = reader.start()[1]  # shape
        elif kind == _TABLE:
            reader.text()  # name of a description
        if version > 1:
            reader.text()  # comment
        fields.append(_Field(kind, inner))
    reader.at = end
    return tuple(fields)


def _values(reader: _Reader, fields: tuple[_Field, ...], *, depth: int) -> Iterator[bytes]:
    for field in fields:
        if field.type == _TABLE:
            yield reader.text()
        elif field.type == _STRING:
            reader.text()
        elif field.type in _ARRAYS:
            reader.at = reader.start()[1]
        elif field.type == _RECORD_TYPE and field.fields:
            yield from _values(reader, field.fields, depth=depth + 1)
        elif field.type == _RECORD_TYPE:
            yield from _record(reader, depth=depth + 1)
        else:
            reader.at += _SCALAR_BYTES[field.type]
