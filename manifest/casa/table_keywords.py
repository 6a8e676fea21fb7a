"""Keywords of a CASA table and of its columns that name other tables, read from the bytes of `table.dat`.

A subtable is a keyword of a type of its own. Two virtual managers keep in a keyword of the column where its values
come from: ForwardColumnEngine the path of a table (`ForwardCol.cc`), VirtualTaQLColumn an expression
(`VirtualTaQLColumn.cc`). What cannot be understood is left out.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from qa2pack.manifest.casa.aips_io import Reader, UnreadableTableError
from qa2pack.manifest.dataclass import dataclass

_RECORD = re.compile(rb"(?s)....\x00\x00\x00\x0bTableRecord(?=\x00\x00\x00.)")
_DEEPEST = 50

# casacore's numbers of types (DataType.h): the bytes of a scalar, and what has another form.
_SCALAR_BYTES = {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 8: 8, 9: 8, 10: 16, 29: 8}
_STRING, _TABLE, _RECORD_TYPE = 11, 12, 25
_ARRAYS = frozenset({*range(13, 25), 30})


class Named(Enum):
    """What a keyword says."""

    SUBTABLE = auto()
    FORWARD = auto()  # the table with the values of a column
    EXPRESSION = auto()  # the values of a column are computed by it


_OF_STRINGS = {b"_ForwardColumn_TableName": Named.FORWARD, b"_VirtualTaQLEngine_CalcExpr": Named.EXPRESSION}
_LONGEST_START = max(map(len, _OF_STRINGS))


def keywords(data: bytes) -> Iterator[tuple[bytes, Named]]:
    """Yield what all sets of keywords say of other tables, as written."""
    reader = Reader(data)  # one for all, which counts: what only looks like a set may reach to the end of the file
    understood = 0  # up to here: a set that is in another one is not read again, nor counted again
    for match in _RECORD.finditer(data):
        if match.start() < understood:
            continue
        reader.at = match.start()
        try:
            yield from (found for found in _record(reader, depth=0) if b"\0" not in found[0])  # no path has one
        except UnreadableTableError:
            continue  # text that only looks like a set
        understood = reader.at


def _record(reader: Reader, *, depth: int) -> list[tuple[bytes, Named]]:
    reader.start(b"TableRecord")
    fields = _description(reader, depth=depth)
    reader.number()  # whether the fields are fixed
    return list(_values(reader, fields, depth=depth))


@dataclass(frozen=True, slots=True)
class _Field:
    type: int
    fields: "tuple[_Field, ...]"
    named: Named | None


def _description(reader: Reader, *, depth: int) -> tuple[_Field, ...]:
    if depth > _DEEPEST:
        raise UnreadableTableError("records too deep in each other")
    version, end = reader.start(b"RecordDesc")
    fields = []
    for _ in range(reader.number()):
        name, kind = reader.pass_text(_LONGEST_START), reader.number()
        inner: tuple[_Field, ...] = ()
        if kind == _RECORD_TYPE:
            inner = _description(reader, depth=depth + 1)
        elif kind in _ARRAYS:
            reader.pass_object()  # shape
        elif kind == _TABLE:
            reader.pass_text()  # name of a description
        if version > 1:
            reader.pass_text()  # comment
        fields.append(_Field(kind, inner, _named(name, kind)))
    reader.at = end
    return tuple(fields)


def _named(name: bytes, kind: int) -> Named | None:
    if kind == _TABLE:
        return Named.SUBTABLE
    if kind == _STRING:  # the name may have a suffix
        return next((named for start, named in _OF_STRINGS.items() if name.startswith(start)), None)
    return None


def _values(reader: Reader, fields: tuple[_Field, ...], *, depth: int) -> Iterator[tuple[bytes, Named]]:
    for field in fields:
        if field.named:
            yield reader.text(), field.named
        elif field.type == _STRING:
            reader.pass_text()
        elif field.type in _ARRAYS:
            reader.pass_object()
        elif field.type == _RECORD_TYPE and field.fields:
            yield from _values(reader, field.fields, depth=depth + 1)
        elif field.type == _RECORD_TYPE:
            yield from _record(reader, depth=depth + 1)
        elif field.type in _SCALAR_BYTES:
            reader.skip(_SCALAR_BYTES[field.type])
        else:
            raise UnreadableTableError(f"table.dat holds a value of the unknown type {field.type}")
