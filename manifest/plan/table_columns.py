"""Measurement sets of a plan: which data column is kept, and which files the split changes.

casacore is called through the interface `TableReader`, because this package does not open tables. Earlier answers are
reused while the files of the table's folder are unchanged.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgpack
import xxhash

from qa2pack.manifest.casa.column_split import (
    CasacoreEnvironmentError,
    ColumnMissingError,
    LossyManagerError,
    SplitSpec,
    TableBrokenError,
    TableShape,
    Weights,
    plan_split,
)
from qa2pack.manifest.casa.table_dat import Kind, TableNames
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import TableNote
from qa2pack.manifest.fs.presence import is_link, leads_anywhere
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, path_fault
from qa2pack.manifest.scan.table_references import Reference, references

if TYPE_CHECKING:
    from qa2pack.manifest.scan.table_look import TableLook

Query = TypeVar("Query")
Key = TypeVar("Key")
Answer = TypeVar("Answer")


class TableReader(Protocol):
    """Interface to casacore; implementations are picklable and do not change the table."""

    def prepare(self) -> None:
        """Get ready, in the background, for questions of this process and of those that it forks later."""
        ...

    def describe(self, table: bytes) -> TableShape:
        """Return columns and storage managers of a table.

        Raises:
            TableBrokenError: it cannot be opened.
            CasacoreEnvironmentError: no table could be opened in this environment.
        """
        ...

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        """Return the spec with the exact sizes after the split; raises as `describe`."""
        ...


_ENVIRONMENT_CODES = frozenset({Code.SCRATCH_FULL, Code.MEMORY_SHORT, Code.CASACORE_UNUSABLE})


@dataclass(frozen=True, slots=True)
class Tables:
    """Descriptions of the measurement sets, each by source.

    Attributes:
        shapes: of the tables that casacore was asked about now.
        columns: data columns by source; tables that could not be opened are missing.
        fingerprints: of all tables, by source.
        broken: the problems of those that casacore could not open.
        looks: what is seen of each that can be read, without casacore.
    """

    shapes: Mapping[bytes, TableShape]
    columns: Mapping[bytes, tuple[str, ...]]
    fingerprints: Mapping[bytes, bytes]
    broken: Mapping[bytes, Problem]
    looks: "Mapping[bytes, TableLook]" = field(default_factory=dict)

    @property
    def whole(self) -> Mapping[bytes, TableNames]:
        """Those that are no tables of their own, so that nothing can be dropped from them."""
        return {source: look.names for source, look in self.looks.items() if look.names.kind is not Kind.PLAIN}

    def kept(self, items: Iterable[Item]) -> tuple[Item, ...]:
        """Return the items, with those packaged whole that cannot lose columns."""
        return tuple(without_column(items, (*self.broken, *self.whole)))

    def references(self, items: Iterable[Item], exclude: Sequence[str]) -> tuple[Reference, ...]:
        """Return what the tables need."""
        return tuple(
            reference
            for item in items
            if item.source in self.looks
            for reference in references(self.looks[item.source].names, item.source, item.path, exclude)
        )

    def whole_warnings(self, root: bytes) -> Iterator[Problem]:
        """Yield a warning for each table that keeps all its data columns because of what it is."""
        for source, names in sorted(self.whole.items()):
            kind_in_words = "a selection from another table"
            if names.kind is Kind.CONCATENATION:
                kind_in_words = f"a concatenation, or multi-MS, of {counted(len(names.rows), 'table')}"
            yield Problem(Code.W_TABLE_WHOLE, os.path.join(root, source), found=kind_in_words)

    def other_warnings(self, root: bytes) -> Iterator[Problem]:
        """Yield a warning for each table that keeps all its data columns because it is no measurement set."""
        for source, shape in sorted(self.shapes.items()):
            if shape.named_columns and not shape.is_measurement_set:
                found = f"{', '.join(shape.named_columns)}, but no keyword MS_VERSION"
                yield Problem(Code.W_TABLE_WHOLE, os.path.join(root, source), "a measurement set", found)

    def incomplete_warnings(self) -> Iterator[Problem]:
        """Yield a warning for what tables lack that casacore can open without it, in every mode and at every plan."""
        for source in sorted(self.looks.keys() - self.broken.keys()):
            yield from self.looks[source].faults


@dataclass(frozen=True, slots=True)
class _Query:
    reader: TableReader
    root: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class _SplitQuery:
    """The split of one table.

    Attributes:
        shape: None where the table was described for an earlier plan.
    """

    reader: TableReader
    root: bytes
    source: bytes
    keep: str
    shape: TableShape | None
    foreign: tuple[str, ...]
    weights: Weights


def fingerprint(table: bytes) -> bytes:
    """Return a digest of the identity of the files in the table's folder, without reading or opening any."""
    with os.scandir(table) as listing:
        rows = sorted(
            (os.fsencode(entry.name), *state_of(entry.stat()).identity) for entry in listing if entry.is_file()
        )
    return xxhash.xxh3_128_digest(msgpack.packb(rows))


def describe_tables(
    root: bytes, sources: Iterable[bytes], *, known: Iterable[TableNote], reader: TableReader, engine: Engine
) -> Tables:
    """Return the columns of the tables; casacore is asked only where a table changed since it was noted.

    Raises:
        Refused: casacore cannot work in this environment; that never counts as a fault of a table.
    """
    marks = {source: fingerprint(os.path.join(root, source)) for source in sources}
    looks, broken = _looks(root, marks)
    sets = {source for source, look in looks.items() if look.is_measurement_set}
    columns = {
        note.source: note.columns for note in known if note.source in sets and marks[note.source] == note.fingerprint
    }
    plain = (source for source, look in looks.items() if look.names.kind is Kind.PLAIN)
    queries = {source: _Query(reader, root, source) for source in plain if source not in columns}
    if queries:
        reader.prepare()
    shapes: dict[bytes, TableShape] = {}
    for source, answer in _answers(engine, _describe, queries).items():
        if isinstance(answer, TableShape):
            shapes[source] = answer
            columns[source] = answer.data_columns
        elif _is_of_environment(answer):
            raise Refused(answer)
        else:
            broken[source] = answer
    return Tables(shapes, columns, marks, broken, looks)


def _looks(root: bytes, sources: Iterable[bytes]) -> "tuple[dict[bytes, TableLook], dict[bytes, Problem]]":
    """Return what is seen of the tables, and the problems of those that cannot be read."""
    looks: dict[bytes, TableLook] = {}
    unreadable: dict[bytes, Problem] = {}
    for source in sources:
        from qa2pack.manifest.scan.table_look import look_into_table  # of no use where there are no tables

        table = os.path.join(root, source)
        try:
            looks[source] = look_into_table(table)
        except OSError as error:
            unreadable[source] = Problem(Code.UNREADABLE, table, found=f"{path_fault(error)}: table.dat")
    return looks, unreadable


def plan_splits(
    root: bytes,
    items: Iterable[Item],
    tables: Tables,
    *,
    known: Iterable[TableNote],
    reader: TableReader,
    engine: Engine,
    foreign: tuple[str, ...] = (),
    weights: Weights = Weights.CONSISTENT,
) -> tuple[dict[bytes, TableNote], list[Problem]]:
    """Return a note per destination for every item that keeps one column and could be opened.

    Names that match `foreign` are not files of the table, whatever they begin with. A note without a spec belongs to
    a table that is packaged unchanged, because it has one data column.

    Raises:
        Refused: casacore cannot work in this environment; that never counts as a fault of a table.
    """
    noted = {
        (note.source, note.keep): note
        for note in known
        if tables.fingerprints.get(note.source) == note.fingerprint
        and (note.spec is None or note.spec.weights is weights)
    }
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
    queries = {
        (source, keep): _SplitQuery(reader, root, source, keep, tables.shapes.get(source), foreign, weights)
        for source, keep in asked
    }
    answers = _answers(engine, _split_spec, queries)
    for (source, keep), paths in asked.items():
        answer = answers[source, keep]
        if isinstance(answer, Problem):
            if _is_of_environment(answer):
                raise Refused(answer)
            problems.append(answer)
            continue
        note = TableNote(source, keep, tables.fingerprints[source], tables.columns[source], answer)
        notes.update((path, note) for path in paths)
    return notes, problems


def _broken_table(table: bytes, error: TableBrokenError | ColumnMissingError) -> Problem:
    """Return the problem of a table; file names in its reason are relative to the table, whose path it has."""
    reason, code = (
        (error.reason, error.code) if isinstance(error, TableBrokenError) else (str(error), Code.TABLE_BROKEN)
    )
    return Problem(code, table, found=reason.replace(f"{shown(table)}/", "").replace(shown(table), "it"))


def _is_of_environment(answer: object) -> bool:
    """Whether casacore could not work, which says nothing of the table."""
    return isinstance(answer, Problem) and answer.code in _ENVIRONMENT_CODES


def _environment_problem(error: CasacoreEnvironmentError) -> Problem:
    return Problem(error.code, error.path, error.expected, error.found)


def _answers(
    engine: Engine, ask: Callable[[Query], tuple[Key, Answer | Problem]], queries: Mapping[Key, Query]
) -> dict[Key, Answer | Problem]:
    """Ask side by side, and once more alone where that failed.

    Children of casacore share scratch and memory. When these do not suffice for all at once, casacore may say of a
    good table that it cannot be opened.
    """
    answers = dict(engine.run(ask, deque(queries.values())))
    if len(queries) > 1:
        answers |= [ask(queries[key]) for key, answer in answers.items() if isinstance(answer, Problem)]
    return answers


def _split_spec(query: _SplitQuery) -> tuple[tuple[bytes, str], SplitSpec | Problem | None]:
    table = os.path.join(query.root, query.source)
    answer: SplitSpec | Problem | None
    try:
        answer = _measured(table, query)
    except CasacoreEnvironmentError as error:
        answer = _environment_problem(error)
    except LossyManagerError as error:
        answer = Problem(Code.TABLE_LOSSY, table, found=str(error))
    except (TableBrokenError, ColumnMissingError) as error:
        answer = _broken_table(table, error)
    return (query.source, query.keep), answer


def _measured(table: bytes, query: _SplitQuery) -> SplitSpec | None:
    shape = query.shape or query.reader.describe(table)
    with os.scandir(table) as listing:
        files = {os.fsencode(entry.name): entry.stat().st_size for entry in listing if entry.is_file()}
    files = {name: size for name, size in files.items() if not matches(name, query.foreign)}
    spec = plan_split(shape, files, query.keep, weights=query.weights)
    spec = query.reader.measure(table, spec) if spec else None
    if spec and (taken := spec.taken_names(files)):
        found = f"it would get a file {', '.join(map(shown, taken))}, and has one that is of no column"
        raise TableBrokenError(table, found, Code.TABLE_NOT_REWRITTEN)
    return spec


def _describe(query: _Query) -> tuple[bytes, TableShape | Problem]:
    table = os.path.join(query.root, query.source)
    try:
        return query.source, query.reader.describe(table)
    except TableBrokenError as error:
        return query.source, _broken_table(table, error)
    except CasacoreEnvironmentError as error:
        return query.source, _environment_problem(error)


def without_column(items: Iterable[Item], sources: Iterable[bytes] | None = None) -> list[Item]:
    """Return the items with those of the sources, or all, marked to be packaged whole."""
    whole = None if sources is None else frozenset(sources)
    return [replace(item, column=None) if whole is None or item.source in whole else item for item in items]


def dangling_links(table: bytes, foreign: tuple[str, ...]) -> Iterator[Problem]:
    """Yield a problem for each dangling symlink directly in the table's folder, sorted by name.

    Names that match `foreign` are not files of the table; an editor's lock is such a symlink.
    """
    try:
        names = sorted(os.listdir(table))
    except (FileNotFoundError, NotADirectoryError):
        return  # reported where the table is described
    for path in (join(table, name) for name in names if not matches(name, foreign)):
        if is_link(path) and not leads_anywhere(path):
            yield Problem(Code.LINK_DANGLING, path, found=os.fsdecode(os.readlink(path)))
