"""Measurement sets among other tables, and tables with the name of one: both are warned of when planning."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.problem import Code, Refused
from support.in_process import UID, Delivery, add_measurement_sets, age
from support.measurement_sets import Recipe, Shared, write_measurement_set, write_multi_measurement_set
from support.reductions import write_small_measurement_set

pytestmark = pytest.mark.in_casa

SHARED = (Shared("TiledShapeStMan", ("DATA", "MODEL_DATA", "CORRECTED_DATA")),)
AMONG_OTHERS = "a measurement set among other files"


def block(delivery: Delivery) -> Path:
    return delivery.origin / "X8c"


def whole(delivery: Delivery, **choices: object) -> list[tuple[str, str]]:
    """Return of which tables a plan warns that they keep all columns, and why."""
    warnings = delivery.plan(Mode.COPY, **choices).notes.warnings
    return [
        (os.path.relpath(os.fsdecode(each.path), delivery.origin), str(each.found))
        for each in warnings
        if each.code is Code.W_TABLE_WHOLE
    ]


ODD_NAMES = (
    f"X8c/{UID}.split.avg",
    f"X8c/{UID}.ms.split.fixvis",
    f"X8c/{UID}.ms.split_1.selfcal",
    f"X8c/{UID}.plots/deep/x.ms",
    f"X8c/{UID}.ms.split/COPY",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_measurement_set_in_a_place_of_other_tables_is_warned_of_in_every_plan(delivery: Delivery, name: str) -> None:
    write_small_measurement_set(block(delivery) / f"{UID}.ms.split", seed=1)
    (delivery.origin / name).parent.mkdir(parents=True, exist_ok=True)
    write_small_measurement_set(delivery.origin / name, seed=2)
    age(delivery.origin)
    for _ in range(2):
        assert whole(delivery) == [(name, AMONG_OTHERS)]
    with pytest.raises(Refused):
        delivery.plan(Mode.COPY, strict=True)


def add_rewritten_table(delivery: Delivery) -> Path:
    """Add a measurement set that has to be rewritten, and in which a removed column has left a number free."""
    add_measurement_sets(delivery.origin, recipe=Recipe(rows=12, shared=SHARED))
    table = block(delivery) / f"{UID}.ms.split"
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.removecols("FLAG")
    return table


def test_file_of_no_column_stays_in_a_table_that_is_rewritten(delivery: Delivery) -> None:
    """As in a table of which only files are left out."""
    (add_rewritten_table(delivery) / "table.f99").write_bytes(b"mine")
    age(delivery.origin)
    delivery.make(Mode.COPY)
    (mine,) = delivery.path.rglob("table.f99")
    assert mine.read_bytes() == b"mine"
    assert not list(mine.parent.glob(".split"))
    with tables.table(str(mine.parent), ack=False) as opened:
        assert not {"MODEL_DATA", "CORRECTED_DATA"} & {*opened.colnames()}
    assert delivery.problems() == []


def test_file_of_no_column_is_not_lost_to_one_that_a_rewritten_table_gets(delivery: Delivery) -> None:
    table = add_rewritten_table(delivery)
    free = next(name for number in range(99) if not (table / (name := f"table.f{number}")).exists())
    (table / free).write_bytes(b"mine")
    age(delivery.origin)
    with pytest.raises(Refused) as caught:
        delivery.plan(Mode.COPY)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == (Code.TABLE_NOT_REWRITTEN, os.fsencode(table))
    assert free in str(problem.found)
    delivery.make(Mode.COPY, no_split=True)
    assert [path.read_bytes() for path in delivery.path.rglob(free) if path.parent.name == table.name] == [b"mine"]


def write_parts(table: Path) -> None:
    write_multi_measurement_set(table, Recipe(rows=6))


def test_multi_measurement_set_in_a_place_of_other_tables_is_warned_of_once(delivery: Delivery) -> None:
    write_parts(block(delivery) / f"{UID}.split.avg")
    age(delivery.origin)
    assert whole(delivery) == [(f"X8c/{UID}.split.avg", AMONG_OTHERS)]


@pytest.mark.parametrize("role", ["raw", "calibration"])
def test_measurement_set_that_somebody_includes_is_expected(delivery: Delivery, role: str) -> None:
    write_small_measurement_set(block(delivery) / f"{UID}.split.avg", seed=1)
    age(delivery.origin)
    assert whole(delivery, include=(Include(f"X8c/{UID}.split.avg", role),)) == []


@pytest.mark.parametrize(
    "write",
    [write_measurement_set, lambda path: write_multi_measurement_set(path, Recipe(rows=6))],
    ids=["one", "many"],
)
@pytest.mark.parametrize("no_split", [False, True])
def test_measurement_set_in_its_place_is_not_warned_of_as_one_among_others(
    delivery: Delivery, write: Callable[[Path], None], no_split: bool
) -> None:
    for name in (f"{UID}.ms.split", f"{UID}.ms.split.cal"):
        shutil.rmtree(block(delivery) / name, ignore_errors=True)
        write(block(delivery) / name)
    age(delivery.origin)
    for _ in range(2):
        assert AMONG_OTHERS not in [why for _, why in whole(delivery, no_split=no_split)]


@pytest.mark.parametrize("linked", ["SUBMSS", "SUBMSS/*"])
def test_parts_of_a_multi_measurement_set_may_be_links(delivery: Delivery, linked: str) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_multi_measurement_set(table, Recipe(rows=6))
    part = min(table.glob(linked))
    elsewhere = delivery.origin / "elsewhere"
    elsewhere.mkdir()
    part.rename(elsewhere / part.name)
    part.symlink_to(os.path.relpath(elsewhere / part.name, part.parent))
    age(delivery.origin)
    assert AMONG_OTHERS not in [why for _, why in whole(delivery)]


def test_layout_that_takes_everything_as_it_is_expects_measurement_sets_anywhere(delivery: Delivery) -> None:
    write_small_measurement_set(block(delivery) / f"{UID}.split.avg", seed=1)
    age(delivery.origin)
    assert whole(delivery, layout="as-is") == []


def test_table_with_the_name_of_a_measurement_set_is_packaged_once_and_warned_of(delivery: Delivery) -> None:
    """Not as its raw and as its calibrated data: of a table that is no measurement set no column goes."""
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_small_measurement_set(table, seed=1)
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.removekeyword("MS_VERSION")
    age(delivery.origin)
    for _ in range(2):
        ((name, found),) = whole(delivery)
        assert name == f"X8c/{UID}.ms.split"
        assert found.startswith("DATA, ")
        assert found.endswith("CORRECTED_DATA, but no keyword MS_VERSION")
        delivery.apply()
    assert (delivery.member / f"raw/{UID}.ms.split/table.dat").exists()
    assert not (delivery.member / f"calibrated/{UID}.ms.split.cal").exists()
    with pytest.raises(Refused):
        delivery.plan(Mode.COPY, strict=True)
