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

from qa2pack.manifest.alma.split_spec import (
    CasacoreEnvironmentError,
    ColumnMissingError,
    LossyManagerError,
    SplitSpec,
    TableBrokenError,
    TableShape,
    plan_split,
)
from qa2pack.manifest.casa.table_names import Kind, TableNames, read_table_names
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.header import TableNote
from qa2pack.manifest.fs.presence import is_link, leads_anywhere
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, PlanRefused, Problem


class TableReader(Protocol):
    """Asks casacore; must be picklable, its methods change nothing in the table."""

    def describe(self, table: bytes) -> TableShape:
        """Return columns and storage managers of a table.

        Raises:
            TableBrokenError: it cannot be opened.
            SurroundingsError: no table could be opened here.
        """
        ...

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        """Return the spec with the exact sizes that the split will leave, or raise as `describe` does."""
        ...


_ENVIRONMENT_CODES = frozenset({Code.SCRATCH_FULL, Code.CASACORE_UNUSABLE})


@dataclass(frozen=True, slots=True)
class Tables:
    """What is known of the measurement sets.

    Attributes:
        shapes: of the tables that casacore was asked about now.
        columns: data columns by source; tables that could not be opened are missing.
        fingerprints: of all tables, by source.
        broken: the problems of those that casacore could not open.
        whole: what those are that are no tables of their own, so that nothing can be dropped from them.
    """

    shapes: Mapping[bytes, TableShape]
    columns: Mapping[bytes, tuple[str, ...]]
    fingerprints: Mapping[bytes, bytes]
    broken: Mapping[bytes, Problem]
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
    """Find out the columns of the tables, from casacore only where they changed since they were noted.

    Raises:
        PlanRefused: casacore cannot work here; that is never taken for a fault of a table.
    """
    marks = {source: fingerprint(os.path.join(root, source)) for source in sources}
    columns = {note.source: note.columns for note in known if marks.get(note.source) == note.fingerprint}
    names = {source: read_table_names(os.path.join(root, source)) for source in marks if source not in columns}
    whole = {source: _kind_in_words(found) for source, found in names.items() if found.kind is not Kind.PLAIN}
    queue = deque(_Query(reader, root, source) for source in names if source not in whole)
    shapes: dict[bytes, TableShape] = {}
    broken: dict[bytes, Problem] = {}
    for source, answer in engine.run(_describe, queue):
        if isinstance(answer, TableShape):
            shapes[source] = answer
            columns[source] = answer.data_columns
        elif answer.code in _ENVIRONMENT_CODES:
            raise PlanRefused(answer)
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
    foreign: tuple[str, ...] = (),
) -> tuple[dict[bytes, TableNote], list[Problem]]:
    """Return a note per destination for every item that keeps one column and could be opened.

    Names that match `foreign` are no files of the table, whatever they begin with.

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
            spec = _spec(root, source, keep, tables, reader, foreign=foreign)
        except CasacoreEnvironmentError as error:
            raise PlanRefused(_environment_problem(error)) from error
        except LossyManagerError as error:
            problems.append(Problem(Code.TABLE_LOSSY, os.path.join(root, source), found=str(error)))
            continue
        except (TableBrokenError, ColumnMissingError) as error:
            problems.append(_broken_table(os.path.join(root, source), error))
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
        Problem(Code.W_TABLE_WHOLE, os.path.join(origin, source), found=kind_in_words)
        for source, kind_in_words in sorted(tables.whole.items())
    ]


def _kind_in_words(names: TableNames) -> str:
    if names.kind is Kind.CONCATENATION:
        return f"a concatenation, or multi-MS, of {counted(len(names.rows), 'table')}"
    return "a selection from another table"


def _broken_table(table: bytes, error: TableBrokenError | ColumnMissingError) -> Problem:
    """Return the problem of a table; the reason names files in it without the path, which stands before it."""
    reason, code = (
        (error.reason, error.code) if isinstance(error, TableBrokenError) else (str(error), Code.TABLE_BROKEN)
    )
    return Problem(code, table, found=reason.replace(f"{shown(table)}/", "").replace(shown(table), "it"))


def _environment_problem(error: CasacoreEnvironmentError) -> Problem:
    code = Code.SCRATCH_FULL if error.is_full else Code.CASACORE_UNUSABLE
    return Problem(code, error.path, error.expected, error.found)


def _spec(
    root: bytes, source: bytes, keep: str, tables: Tables, reader: TableReader, *, foreign: tuple[str, ...]
) -> SplitSpec | None:
    table = os.path.join(root, source)
    shape = tables.shapes.get(source) or reader.describe(table)
    with os.scandir(table) as listing:
        files = {os.fsencode(entry.name): entry.stat().st_size for entry in listing if entry.is_file()}
    files = {name: size for name, size in files.items() if not matches(name, foreign)}
    spec = plan_split(shape, files, keep)
    return reader.measure(table, spec) if spec else None


def _describe(query: _Query) -> tuple[bytes, TableShape | Problem]:
    table = os.path.join(query.root, query.source)
    try:
        return query.source, query.reader.describe(table)
    except TableBrokenError as error:
        return query.source, _broken_table(table, error)
    except CasacoreEnvironmentError as error:
        return query.source, _environment_problem(error)


def without_column(items: Iterable[Item], sources: Iterable[bytes]) -> list[Item]:
    """Return the items with those of the sources marked to be packaged whole."""
    whole = frozenset(sources)
    return [replace(item, column=None) if item.source in whole else item for item in items]


def dangling_links(table: bytes, foreign: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield a problem for each link right in the folder of the table that leads to nothing, sorted by name.

    Names that match `foreign` are no files of the table; an editor's lock is such a link.
    """
    try:
        names = sorted(os.listdir(table))
    except (FileNotFoundError, NotADirectoryError):
        return  # told by whoever looked for the table
    for path in (join(table, name) for name in names if not matches(name, foreign)):
        if is_link(path) and not leads_anywhere(path):
            yield Problem(Code.LINK_DANGLING, path, found=os.fsdecode(os.readlink(path)))
