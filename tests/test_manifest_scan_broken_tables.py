"""Tables of which a copy broke off are packaged, and reported when planning."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.scan.table_look import look_into_table
from support.in_process import UID, Delivery, age
from support.measurement_sets import (
    Recipe,
    select_rows,
    write_calibration_table,
    write_measurement_set,
    write_multi_measurement_set,
)

pytestmark = pytest.mark.in_casa


def found(table: Path) -> list[str]:
    return [str(each.found) for each in look_into_table(os.fsencode(table)).faults]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_calibration_table(tmp_path / "t")
    return tmp_path / "t"


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda table: os.truncate(table / name, size)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (cut("table.dat", 0), "table.dat ends too early"),
        (cut("table.dat", 100), "table.dat is not as long"),
        (
            lambda table: os.truncate(table / "table.dat", (table / "table.dat").stat().st_size - 1),
            "table.dat is not",
        ),
        (cut("table.dat", 2), "table.dat ends too early"),
        (cut("table.f0", 0), "table.f0 is empty"),
        (lambda table: (table / "table.f0").unlink(), "there is no table.f0"),
        (lambda table: (table / "table.lock").unlink(), "there is no table.lock, so it has 40 rows"),
        (cut("table.lock", 0), "table.lock does not tell the number of rows, so it has 40 rows"),
        (cut("table.lock", 260), "table.lock does not tell the number of rows, so it has 40 rows"),
    ],
)
def test_table_of_which_something_is_missing_is_reported(
    table: Path, change: Callable[[Path], None], fault: str
) -> None:
    change(table)
    (said,) = found(table)
    assert said.startswith(fault)


def test_whole_tables_are_not_reported(table: Path) -> None:
    write_multi_measurement_set(table.with_name("multi.ms"), Recipe(rows=4))
    write_measurement_set(table.with_name("empty.ms"), Recipe(rows=0))
    select_rows(table, table.with_name("selection"))
    tables = sorted(path.parent for path in table.parent.rglob("table.dat"))
    assert len(tables) > 30
    assert [each for each in tables if found(each)] == []


@pytest.mark.parametrize("is_opened", [False, True])
def test_row_count_of_a_table_without_its_lock_is_that_of_casacore(tmp_path: Path, is_opened: bool) -> None:
    """Opened without a lock, a table gets one that is void."""
    write_measurement_set(tmp_path / "u.ms", Recipe(rows=4))
    for name, row_count in (("", 4), ("ANTENNA", 0)):
        table = tmp_path / "u.ms" / name
        (table / "table.lock").unlink()
        if is_opened:
            assert casacore_row_count(table) == row_count
        (said,) = found(table)
        assert said.endswith(f"so it has {row_count} rows")
        assert casacore_row_count(table) == row_count


def casacore_row_count(table: Path) -> int:
    with tables.table(str(table), ack=False) as opened:
        return int(opened.nrows())


def test_lock_that_a_writing_program_made_is_a_whole_one(table: Path) -> None:
    (table / "table.lock").unlink()
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.addrows(1)
    assert found(table) == []


def subtable_in(table: Path, name: str) -> Path:
    """Make a table in the folder of another one, which names it."""
    write_calibration_table(table / name)
    with (
        tables.table(str(table), readonly=False, ack=False) as opened,
        tables.table(str(table / name), ack=False) as inner,
    ):
        opened.putkeyword(name, inner)
        opened.putcolkeyword("TIME", "OTHER", inner)
    return table / name


def missing(table: Path) -> list[tuple[str, str]]:
    return [
        (os.path.relpath(os.fsdecode(each.path), table), str(each.found))
        for each in look_into_table(bytes(table)).faults
    ]


@pytest.mark.parametrize("gone", ["", "table.dat"])
def test_subtable_that_is_not_there_is_reported_by_its_path(table: Path, gone: str) -> None:
    subtable = subtable_in(table, "ANTENNA")
    assert missing(table) == []
    shutil.rmtree(subtable) if not gone else (subtable / gone).unlink()
    assert missing(table) == [("ANTENNA", "there is no table.dat")]


def test_all_that_a_table_lacks_is_reported(table: Path) -> None:
    for name in ("ANTENNA", "FIELD"):
        shutil.rmtree(subtable_in(table, name))
    for name in ("table.f0", "table.lock"):
        (table / name).unlink()
    assert sorted(path for path, _ in missing(table)) == [".", ".", "ANTENNA", "FIELD"]


def test_table_elsewhere_that_is_not_there_is_for_others_to_report(table: Path) -> None:
    write_calibration_table(table.with_name("other"))
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putkeyword("OTHER", tables.table(str(table.with_name("other")), ack=False))
    shutil.rmtree(table.with_name("other"))
    assert missing(table) == []


def test_table_in_one_file_is_not_reported(table: Path) -> None:
    (table / "table.f0").rename(table / "table.mf")
    assert found(table) == []


def test_file_of_another_program_is_not_reported(table: Path) -> None:
    (table / "table.dat").write_text("1 2 3\n")
    assert found(table) == []


def test_plan_reports_it_each_time_also_of_subtables(delivery: Delivery) -> None:
    calibration = delivery.origin / f"X8c/{UID}.ms.split.bandpass"
    shutil.rmtree(calibration, ignore_errors=True)
    write_calibration_table(calibration)
    write_calibration_table(calibration / "ANTENNA")
    (calibration / "ANTENNA/table.f0").unlink()
    expected = Problem(Code.W_TABLE_INCOMPLETE, os.fsencode(calibration / "ANTENNA"), found="there is no table.f0")
    for _ in range(2):
        assert incomplete(delivery.plan(Mode.COPY)) == [expected]


def incomplete(plan: Described) -> list[Problem]:
    return [each for each in plan.notes.warnings if each.code is Code.W_TABLE_INCOMPLETE]


MEASURED = {"split": ("DATA", "CORRECTED_DATA"), "unsplit": ("DATA",)}


@pytest.fixture
def measured(delivery: Delivery, request: pytest.FixtureRequest) -> Path:
    """The measurement set of the reduction, with these data columns."""
    table = delivery.origin / f"X8c/{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_measurement_set(table, Recipe(rows=12, columns=request.param))
    age(delivery.origin)
    return table


def take_away(table: Path) -> list[Problem]:
    """Take something away of a measurement set that casacore opens all the same; return what is to be reported."""
    shutil.rmtree(table / "ANTENNA")
    (table / "FIELD/table.dat").unlink()
    (table / "table.lock").unlink()
    lacks = {"": "there is no table.lock, so it has 12 rows"}
    lacks |= dict.fromkeys(("/ANTENNA", "/FIELD"), "there is no table.dat")
    return [
        Problem(Code.W_TABLE_INCOMPLETE, os.fsencode(f"{table}{path}"), found=said) for path, said in lacks.items()
    ]


@pytest.mark.parametrize("measured", MEASURED.values(), ids=MEASURED, indirect=True)
@pytest.mark.parametrize("mode", Mode)
def test_measurement_set_without_a_subtable_is_reported_in_every_mode(
    delivery: Delivery, measured: Path, mode: Mode
) -> None:
    expected = take_away(measured)
    assert incomplete(delivery.plan(mode)) == expected
    with pytest.raises(Refused) as caught:
        delivery.plan(mode, strict=True)
    assert set(caught.value.problems) >= set(expected)
    delivery.apply()
    assert delivery.problems() == []


@pytest.mark.parametrize("measured", MEASURED.values(), ids=MEASURED, indirect=True)
@pytest.mark.parametrize("no_split", [False, True])
def test_what_went_missing_since_the_table_was_packaged_is_reported(
    delivery: Delivery, measured: Path, no_split: bool
) -> None:
    """The table is known then, and nothing else asks what it needs."""
    delivery.make(Mode.COPY, no_split=no_split)
    expected = take_away(measured)
    for _ in range(2):
        assert incomplete(delivery.plan(Mode.COPY, no_split=no_split)) == expected


@pytest.mark.parametrize("measured", MEASURED.values(), ids=MEASURED, indirect=True)
def test_subtable_of_a_subtable_and_its_lock_are_missed_as_well(delivery: Delivery, measured: Path) -> None:
    antenna = measured / "ANTENNA"
    with tables.table(str(antenna), readonly=False, ack=False) as opened:
        write_calibration_table(antenna / "BEAM")
        opened.putkeyword("BEAM", tables.table(str(antenna / "BEAM"), ack=False))
    shutil.rmtree(antenna / "BEAM")
    (measured / "FIELD/table.lock").unlink()
    expected = [
        Problem(Code.W_TABLE_INCOMPLETE, os.fsencode(antenna / "BEAM"), found="there is no table.dat"),
        Problem(
            Code.W_TABLE_INCOMPLETE, os.fsencode(measured / "FIELD"), found="there is no table.lock, so it has 0 rows"
        ),
    ]
    for _ in range(2):
        assert incomplete(delivery.plan(Mode.COPY)) == expected


@pytest.mark.parametrize("measured", MEASURED.values(), ids=MEASURED, indirect=True)
def test_whole_measurement_set_is_not_reported(delivery: Delivery, measured: Path) -> None:
    assert incomplete(delivery.plan(Mode.COPY)) == []
