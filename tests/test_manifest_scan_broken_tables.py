"""Tables of which a copy broke off are packaged, and reported when planning."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.scan.broken_tables import table_faults
from support.in_process import UID, Delivery
from support.measurement_sets import (
    Recipe,
    select_rows,
    write_calibration_table,
    write_measurement_set,
    write_multi_measurement_set,
)


def found(table: Path) -> list[str]:
    return [str(each.found) for each in table_faults(os.fsencode(table))]


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
        warnings = delivery.plan(Mode.COPY).notes.warnings
        assert [each for each in warnings if each.code is Code.W_TABLE_INCOMPLETE] == [expected]
