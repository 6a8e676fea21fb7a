import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from qa2pack.manifest.casa.column_split import (
    CasacoreEnvironmentError,
    Manager,
    SplitSpec,
    TableBrokenError,
    TableShape,
)
from qa2pack.manifest.engine import Batch, InlineEngine, Result
from qa2pack.manifest.format.header import TableNote
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.plan.table_columns import (
    dangling_links,
    describe_tables,
    fingerprint,
    plan_splits,
    without_column,
)
from qa2pack.manifest.problem import Code, Problem, Refused
from support.in_process import write

TABLE = b"X8c/U.ms.split"
# A table of version 2 and four rows, with the keyword that makes it a measurement set.
DESCRIPTION = (
    b"\xbe\xbe\xbe\xbe\0\0\0\xff\0\0\0\x05Table\0\0\0\2\0\0\0\4\0\0\0\0\0\0\0\x0aPlainTable\0\0\0\x0aMS_VERSION"
)
ITEM = Item(TABLE, b"raw/U.ms.split", True, "DATA")
SHAPE = TableShape(
    columns=("DATA", "CORRECTED_DATA", "WEIGHT", "SIGMA"),
    managers=(
        Manager(1, "TiledShapeStMan", ("DATA",)),
        Manager(2, "TiledShapeStMan", ("CORRECTED_DATA",)),
        Manager(3, "TiledShapeStMan", ("WEIGHT",)),
        Manager(4, "TiledShapeStMan", ("SIGMA",)),
    ),
    is_measurement_set=True,
)


@dataclass
class Reader:
    """Answers as casacore would, and counts the questions."""

    shape: TableShape | None = SHAPE
    can_split: bool = True
    short_trials: int = 0  # these find no room, as trials beside others may
    broken_looks: int = 0  # in these casacore says that the table is broken
    asked: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)  # the columns that were to stay

    def prepare(self) -> None:
        self.asked.append("prepare")

    def describe(self, table: bytes) -> TableShape:
        self.asked.append("describe")
        if self.asked.count("describe") <= self.broken_looks:
            raise TableBrokenError(table, "write error in scratch")
        if self.shape is None:
            raise TableBrokenError(table, "no table")
        return self.shape

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        self.asked.append("measure")
        self.measured.append(spec.keep)
        if self.asked.count("measure") <= self.short_trials:
            raise CasacoreEnvironmentError(b"/tmp", "1 MiB", "nothing", Code.SCRATCH_FULL)
        if not self.can_split:
            raise TableBrokenError(table, "no split")
        return replace(spec, sizes=tuple((name, 1) for name in spec.written))


class LastFirst(InlineEngine):
    """Ends with the first batch, as an engine with several workers may."""

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        while batches:
            yield work(batches.pop())


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    for name in ("table.dat", "table.f1", "table.f1_TSM0", "table.f2", "table.f2_TSM0", "table.f3", "table.f4"):
        write(tmp_path / "X8c/U.ms.split" / name, b"x")
    write(tmp_path / "X8c/U.ms.split/table.dat", DESCRIPTION)
    return os.fsencode(tmp_path)


def planned(
    root: bytes,
    reader: Reader,
    *items: Item,
    known: tuple[TableNote, ...] = (),
    engine: InlineEngine | None = None,
) -> tuple[dict[bytes, TableNote], list[Code]]:
    engine = engine or InlineEngine()
    tables = describe_tables(root, {item.source for item in items}, known=known, reader=reader, engine=engine)
    notes, problems = plan_splits(root, items, tables, known=known, reader=reader, engine=engine)
    return notes, [problem.code for problem in problems]


def test_table_with_two_data_columns_loses_one(root: bytes) -> None:
    notes, _ = planned(root, Reader(), ITEM)
    spec = notes[ITEM.path].spec
    assert spec is not None
    assert (spec.keep, spec.drop, spec.dropped) == ("DATA", ("CORRECTED_DATA",), (b"table.f2", b"table.f2_TSM0"))


def test_table_with_one_data_column_is_noted_without_a_split(root: bytes) -> None:
    notes, _ = planned(root, Reader(replace(SHAPE, columns=("DATA",), managers=SHAPE.managers[:1])), ITEM)
    assert notes[ITEM.path].spec is None


def test_item_that_keeps_all_columns_is_not_noted(root: bytes) -> None:
    assert planned(root, Reader(), replace(ITEM, column=None)) == ({}, [])


def test_table_packaged_in_two_ways_is_opened_once_and_measured_twice(root: bytes) -> None:
    reader = Reader()
    other = replace(ITEM, path=b"calibrated/U.ms.split.cal", column="CORRECTED_DATA")
    notes, _ = planned(root, reader, ITEM, other)
    assert {path: note.keep for path, note in notes.items()} == {ITEM.path: "DATA", other.path: "CORRECTED_DATA"}
    assert reader.asked == ["prepare", "describe", "measure", "measure"]


def test_split_that_is_measured_first_goes_to_its_own_item(root: bytes) -> None:
    other = replace(ITEM, path=b"calibrated/U.ms.split.cal", column="CORRECTED_DATA")
    reader = Reader()
    notes, _ = planned(root, reader, ITEM, other, engine=LastFirst())
    assert reader.measured == ["CORRECTED_DATA", "DATA"]
    assert {path: (note.keep, note.spec and note.spec.keep) for path, note in notes.items()} == {
        ITEM.path: ("DATA", "DATA"),
        other.path: ("CORRECTED_DATA", "CORRECTED_DATA"),
    }


@pytest.mark.parametrize("reader", [Reader(short_trials=1), Reader(broken_looks=1)], ids=["measured", "described"])
def test_table_for_which_there_was_no_room_beside_others_is_asked_about_alone(root: bytes, reader: Reader) -> None:
    folder = Path(os.fsdecode(root))
    shutil.copytree(folder / "X8c/U.ms.split", folder / "X8d/U.ms.split")
    other = Item(b"X8d/U.ms.split", b"raw/U2.ms.split", True, "DATA")
    notes, problems = planned(root, reader, ITEM, other)
    assert (sorted(notes), problems) == (sorted([ITEM.path, other.path]), [])


def test_trial_that_finds_no_room_alone_refuses_the_plan(root: bytes) -> None:
    with pytest.raises(Refused) as caught:
        planned(root, Reader(short_trials=1), ITEM)
    assert [problem.code for problem in caught.value.problems] == [Code.SCRATCH_FULL]


def test_what_is_known_of_an_unchanged_table_is_not_asked_again(root: bytes) -> None:
    notes, _ = planned(root, Reader(), ITEM)
    reader = Reader()
    again, _ = planned(root, reader, ITEM, known=tuple(notes.values()))
    assert (again, reader.asked) == (notes, [])


def test_known_table_of_which_another_column_is_kept_is_described_for_that_alone(root: bytes) -> None:
    notes, _ = planned(root, Reader(), ITEM)
    reader = Reader()
    other = replace(ITEM, column="CORRECTED_DATA")
    again, problems = planned(root, reader, other, known=tuple(notes.values()))
    assert ([note.keep for note in again.values()], problems) == (["CORRECTED_DATA"], [])
    assert reader.asked == ["describe", "measure"]


def test_links_of_a_table_that_lead_nowhere_are_problems_but_for_those_of_other_programs(root: bytes) -> None:
    table = os.path.join(root, TABLE)
    for name, target in ((b"table.f5", b"gone"), (b".#lock", b"user@host"), (b"table.f6", b"table.f1")):
        os.symlink(target, os.path.join(table, name))
    problem = Problem(Code.LINK_DANGLING, os.path.join(table, b"table.f5"), found="gone")
    assert list(dangling_links(table, (".#*",))) == [problem]


def test_newer_and_older_notes_may_both_be_known(root: bytes) -> None:
    notes, _ = planned(root, Reader(), ITEM)
    note = notes[ITEM.path]
    reader = Reader()
    planned(root, reader, ITEM, known=(note, replace(note, fingerprint=b"o" * 16)))
    assert reader.asked == []


@pytest.mark.parametrize("change", ["mtime", "size", "new file", "gone file", "replaced file"])
def test_changed_table_is_asked_about_again(root: bytes, change: str) -> None:
    notes, _ = planned(root, Reader(), ITEM)
    table = Path(os.fsdecode(root)) / "X8c/U.ms.split"
    match change:
        case "mtime":
            os.utime(table / "table.f3", ns=(5, 5))
        case "size":
            write(table / "table.f3", b"xy")
        case "new file":
            write(table / "table.f5", b"x")
        case "gone file":
            (table / "table.f3").unlink()
        case _:
            write(table / "new", b"x").rename(table / "table.f3")
    reader = Reader()
    planned(root, reader, ITEM, known=tuple(notes.values()))
    assert reader.asked == ["prepare", "describe", "measure"]


def test_fingerprint_stays_when_files_are_linked(root: bytes, tmp_path: Path) -> None:
    table = os.path.join(root, TABLE)
    before = fingerprint(table)
    os.link(os.path.join(table, b"table.f3"), tmp_path / "link")
    assert fingerprint(table) == before


def test_table_that_cannot_be_opened_is_reported_and_not_measured(root: bytes) -> None:
    tables = describe_tables(root, [TABLE], known=(), reader=Reader(None), engine=InlineEngine())
    assert (dict(tables.broken), dict(tables.columns)) == (
        {TABLE: Problem(Code.TABLE_BROKEN, os.path.join(root, TABLE), found="no table")},
        {},
    )
    assert planned(root, Reader(None), ITEM) == ({}, [])


def test_table_that_cannot_be_split_is_a_problem(root: bytes) -> None:
    assert planned(root, Reader(can_split=False), ITEM) == ({}, [Code.TABLE_BROKEN])


def test_table_whose_values_are_rounded_is_a_problem_and_not_measured(root: bytes) -> None:
    reader = Reader(replace(SHAPE, managers=(Manager(1, "DyscoStMan", ("DATA",)), *SHAPE.managers[1:])))
    assert planned(root, reader, ITEM) == ({}, [Code.TABLE_LOSSY])
    assert reader.asked == ["prepare", "describe"]


def test_tables_that_are_packaged_whole_lose_their_column() -> None:
    other = replace(ITEM, source=b"other")
    assert without_column([ITEM, other], [TABLE]) == [replace(ITEM, column=None), other]


def test_note_of_a_table_that_is_no_measurement_set_does_not_hold(root: bytes) -> None:
    """An older program may have noted the columns of such a table."""
    table = Path(os.fsdecode(root)) / os.fsdecode(TABLE)
    write(table / "table.dat", DESCRIPTION[:-14])
    note = TableNote(TABLE, "DATA", fingerprint(bytes(table)), SHAPE.data_columns, None)
    reader = Reader(replace(SHAPE, is_measurement_set=False))
    tables = describe_tables(root, [TABLE], known=(note,), reader=reader, engine=InlineEngine())
    assert (dict(tables.columns), reader.asked) == ({TABLE: ()}, ["prepare", "describe"])
