"""Deciding for each measurement set which column is packaged, and what that does to its files.

What casacore says of a table comes through `TableReader`, because opening tables is not this package's business;
what it said last time is reused while the files of the table's folder are the same.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgpack
import xxhash

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.header import TableNote
from qa2pack.manifest.item import Item
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.sizes import counted
from qa2pack.manifest.table import (
    ColumnMissingError,
    LossyManagerError,
    SplitSpec,
    TableBrokenError,
    TableShape,
    plan_split,
)
from qa2pack.manifest.tablenames import Kind, TableNames, read_table_names


class TableReader(Protocol):
    """Asks casacore; must be picklable, its methods change nothing in the table."""

    def describe(self, table: bytes) -> TableShape:
        """Return columns and storage managers of a table, or raise `TableBrokenError`."""
        ...

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        """Return the spec with the exact sizes that the split will leave, or raise `TableBrokenError`."""
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """What is known of the measurement sets.

    Attributes:
        shapes: of the tables that casacore was asked about now.
        columns: data columns by source; tables that could not be opened are missing.
        fingerprints: of all tables, by source.
        broken: what casacore said of those it could not open.
        whole: what those are that are no tables of their own, so that nothing can be dropped from them.
    """

    shapes: Mapping[bytes, TableShape]
    columns: Mapping[bytes, tuple[str, ...]]
    fingerprints: Mapping[bytes, bytes]
    broken: Mapping[bytes, str]
    whole: Mapping[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Query:
    reader: TableReader
    root: bytes
    source: bytes


def fingerprint(table: bytes) -> bytes:
    """Return a digest of the state of the files in the table's folder, without reading or opening any.

    The ctime is left out, because linking changes it.
    """
    with os.scandir(table) as listing:
        rows = sorted(
            (os.fsencode(entry.name), status.st_size, status.st_mtime_ns, status.st_ino)
            for entry in listing
            if entry.is_file()
            for status in (entry.stat(),)
        )
    return xxhash.xxh3_128_digest(msgpack.packb(rows))


def describe_tables(
    root: bytes, sources: Iterable[bytes], *, known: Iterable[TableNote], reader: TableReader, engine: Engine
) -> Tables:
    """Find out the columns of the tables, from casacore only where they changed since they were noted."""
    marks = {source: fingerprint(os.path.join(root, source)) for source in sources}
    columns = {note.source: note.columns for note in known if marks.get(note.source) == note.fingerprint}
    names = {source: read_table_names(os.path.join(root, source)) for source in marks if source not in columns}
    whole = {source: _said(found) for source, found in names.items() if found.kind is not Kind.PLAIN}
    queue = deque(_Query(reader, root, source) for source in names if source not in whole)
    shapes: dict[bytes, TableShape] = {}
    broken: dict[bytes, str] = {}
    for source, answer in engine.run(_describe, queue):
        if isinstance(answer, TableShape):
            shapes[source] = answer
            columns[source] = answer.data_columns
        else:
            broken[source] = answer
    return Tables(shapes, columns, marks, broken, whole)


def plan_splits(
    root: bytes,
    items: Iterable[Item],
    tables: Tables,
    *,
    known: Iterable[TableNote],
    reader: TableReader,
    engine: Engine,
) -> tuple[dict[bytes, TableNote], list[Problem]]:
    """Return a note per destination for every item that keeps one column and could be opened.

    A note without a spec is of a table that is packaged as it is, because it holds one data column.
    """
    noted = {(n.source, n.keep): n for n in known if tables.fingerprints.get(n.source) == n.fingerprint}
    notes: dict[bytes, TableNote] = {}
    problems: list[Problem] = []
    asked: dict[tuple[bytes, str], list[bytes]] = {}
    for item in items:
        if item.column is None or item.source in tables.broken:
            continue
        note = noted.get((item.source, item.column))
        if note is not None:
            notes[item.path] = note
        else:
            asked.setdefault((item.source, item.column), []).append(item.path)
    for (source, keep), paths in asked.items():
        try:
            spec = _spec(root, source, keep, tables, reader)
        except LossyManagerError as error:
            problems.append(Problem(Code.TABLE_LOSSY, os.path.join(root, source), found=str(error)))
            continue
        except (TableBrokenError, ColumnMissingError) as error:
            reason = error.reason if isinstance(error, TableBrokenError) else str(error)
            problems.append(broken_table(os.path.join(root, source), reason))
            continue
        note = TableNote(source, keep, tables.fingerprints[source], tables.columns[source], spec)
        notes.update((path, note) for path in paths)
    return notes, problems


def newly_opened(items: Iterable[Item], tables: Tables) -> Iterator[Item]:
    """Yield the items of the tables of which nothing was known."""
    return (item for item in items if item.source in {*tables.shapes, *tables.broken, *tables.whole})


def whole_tables(origin: bytes, tables: Tables) -> list[Problem]:
    """Return a warning for each table that keeps all its data columns."""
    return [
        Problem(Code.W_TABLE_WHOLE, os.path.join(origin, source), found=said)
        for source, said in sorted(tables.whole.items())
    ]


def _said(names: TableNames) -> str:
    if names.kind is Kind.CONCATENATION:
        return f"a concatenation, or multi-MS, of {counted(len(names.rows), 'table')}"
    return "a selection from another table"


def broken_table(table: bytes, reason: str) -> Problem:
    """Return the problem of a table; the reason names files in it without the path, which stands before it."""
    return Problem(Code.TABLE_BROKEN, table, found=reason.replace(f"{shown(table)}/", "").replace(shown(table), "it"))


def _spec(root: bytes, source: bytes, keep: str, tables: Tables, reader: TableReader) -> SplitSpec | None:
    table = os.path.join(root, source)
    shape = tables.shapes.get(source) or reader.describe(table)
    with os.scandir(table) as listing:
        files = {os.fsencode(entry.name): entry.stat().st_size for entry in listing if entry.is_file()}
    spec = plan_split(shape, files, keep)
    return reader.measure(table, spec) if spec else None


def _describe(query: _Query) -> tuple[bytes, TableShape | str]:
    try:
        return query.source, query.reader.describe(os.path.join(query.root, query.source))
    except TableBrokenError as error:
        return query.source, error.reason


def without_column(items: Iterable[Item], sources: Iterable[bytes]) -> list[Item]:
    """Return the items with those of the sources marked to be packaged whole."""
    whole = frozenset(sources)
    return [replace(item, column=None) if item.source in whole else item for item in items]
