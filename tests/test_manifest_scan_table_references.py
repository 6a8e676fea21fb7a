"""Packages with tables that refer to others: refused, or of use wherever they are taken."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.problem import Code, Refused
from support.in_process import UID, Delivery, age, write
from support.measurement_sets import (
    Recipe,
    select_rows,
    write_calibration_table,
    write_measurement_set,
    write_multi_measurement_set,
)
from support.reductions import write_small_measurement_set

SMALL = Recipe(rows=12, columns=("DATA",))


def refused(delivery: Delivery, *exclude: str, include: tuple[Include, ...] = ()) -> list[tuple[Code, str, str]]:
    with pytest.raises(Refused) as caught:
        delivery.plan(Mode.COPY, exclude=exclude, include=include)
    root = f"{delivery.origin.parent}/"
    return [
        (each.code, each.path.decode().removeprefix(root), str(each.found).replace(root, ""))
        for each in caught.value.problems
    ]


def block(delivery: Delivery) -> Path:
    return delivery.origin / "X8c"


def taken_away(delivery: Delivery) -> Path:
    """Package, and take the package where nothing else of it is."""
    delivery.plan(Mode.COPY)
    delivery.apply()
    delivery.origin.rename(delivery.origin.with_name("gone"))
    return Path(shutil.move(delivery.member, delivery.member.parents[3] / "taken"))


def row_count(table: Path) -> int:
    with tables.table(str(table), ack=False) as opened:
        opened.getcol(opened.colnames()[0])
        return int(opened.nrows())


def test_selection_from_a_table_elsewhere_is_refused_with_both_paths(delivery: Delivery, tmp_path: Path) -> None:
    whole = delivery.origin.parent / "whole.gcal"
    write_calibration_table(whole)
    select_rows(whole, block(delivery) / "a.gcal")
    assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.gcal", "rows in whole.gcal")]


def test_selection_inside_a_tree_is_refused_as_well(delivery: Delivery) -> None:
    whole, tree = delivery.origin.parent / "whole.gcal", block(delivery) / "a.plots/deep"
    write_calibration_table(whole)
    write(tree / "a.png", b"")
    select_rows(whole, tree / "a.gcal")
    assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.plots/deep/a.gcal", "rows in whole.gcal")]


def test_selection_from_a_table_that_is_packaged_beside_it_works(delivery: Delivery) -> None:
    write_calibration_table(block(delivery) / "a.gcal")
    select_rows(block(delivery) / "a.gcal", block(delivery) / "b.gcal")
    member = taken_away(delivery)
    assert row_count(member / f"calibration/{UID}.calibration/b.gcal") == 6


def write_virtual(table: Path, manager: str, spec: dict[str, str], *, rows: int) -> None:
    """Make a table of which the column TIME has no values of its own."""
    dminfo = {"*1": {"TYPE": manager, "NAME": "v", "COLUMNS": ["TIME"], "SPEC": spec}}
    columns = [
        tables.makescacoldesc("TIME", 0.0, datamanagertype=manager, datamanagergroup="v"),
        tables.makescacoldesc("SCAN", 0.0),
    ]
    tables.table(str(table), tables.maketabdesc(columns), nrow=rows, dminfo=dminfo, ack=False).close()


@pytest.mark.parametrize("is_packaged", [True, False])
def test_column_whose_values_are_in_another_table_needs_that_one(delivery: Delivery, is_packaged: bool) -> None:
    whole = (block(delivery) if is_packaged else delivery.origin.parent) / "whole.gcal"
    write_calibration_table(whole, rows=6)
    write_virtual(block(delivery) / "a.gcal", "ForwardColumnEngine", {"FORWARDTABLE": str(whole)}, rows=6)
    if not is_packaged:
        assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.gcal", "rows in whole.gcal")]
        return
    member = taken_away(delivery)
    assert row_count(member / f"calibration/{UID}.calibration/a.gcal") == 6


def test_column_that_is_computed_from_another_table_is_refused(delivery: Delivery) -> None:
    """Beside it or not: the name is looked for from where a program was started."""
    whole, table = block(delivery) / "whole.gcal", block(delivery) / "a.gcal"
    write_calibration_table(whole, rows=6)
    expression = f"[select TIME from '{whole}'][rownumber()-1]"
    write_virtual(table, "VirtualTaQLColumn", {"TAQLCALCEXPR": expression}, rows=6)
    ((code, path, found),) = refused(delivery)
    assert (code, path) == (Code.TABLE_REFERS, "sb1/X8c/a.gcal")
    assert found.startswith("values that TaQL takes from another table: [select TIME from")


def test_column_that_is_computed_from_the_table_itself_works(delivery: Delivery) -> None:
    write_virtual(block(delivery) / "a.gcal", "VirtualTaQLColumn", {"TAQLCALCEXPR": "SCAN + 1"}, rows=6)
    member = taken_away(delivery)
    assert row_count(member / f"calibration/{UID}.calibration/a.gcal") == 6


@pytest.mark.parametrize("manager", ["ForwardColumnEngine", "VirtualTaQLColumn"])
def test_copy_as_the_advice_says_has_values_of_its_own(delivery: Delivery, manager: str) -> None:
    whole, virtual = delivery.origin.parent / "whole.gcal", delivery.origin.parent / "virtual.gcal"
    write_calibration_table(whole, rows=6)
    spec = {"FORWARDTABLE": str(whole), "TAQLCALCEXPR": f"[select TIME from '{whole}'][rownumber()-1]"}
    write_virtual(virtual, manager, spec, rows=6)
    with tables.table(str(virtual), ack=False) as tb:
        usual = {"*1": {"TYPE": "StandardStMan", "NAME": "usual", "SPEC": {}, "COLUMNS": tb.colnames()}}
        tb.copy(str(block(delivery) / "a.gcal"), deep=True, valuecopy=True, dminfo=usual).close()
    member = taken_away(delivery)
    whole.rename(whole.with_name("gone.gcal"))
    assert row_count(member / f"calibration/{UID}.calibration/a.gcal") == 6


def test_subtable_outside_of_the_table_is_refused(delivery: Delivery) -> None:
    other, table = delivery.origin.parent / "other.ms", block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_measurement_set(table, SMALL)
    write_measurement_set(other, SMALL)
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putkeyword("ANTENNA", tables.table(str(other / "ANTENNA"), ack=False))
    assert refused(delivery) == [(Code.TABLE_REFERS, f"sb1/X8c/{UID}.ms.split", "a subtable in other.ms/ANTENNA")]


def test_multi_measurement_set_opens_wherever_the_package_is_taken(delivery: Delivery) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_multi_measurement_set(table, SMALL)
    member = taken_away(delivery)
    assert row_count(member / f"raw/{UID}.ms.split") == 24


def test_multi_measurement_set_under_another_name_is_refused(delivery: Delivery) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_multi_measurement_set(table.with_name("first.ms"), SMALL)
    table.with_name("first.ms").rename(table)
    assert [problem[:2] for problem in refused(delivery)] == [(Code.TABLE_REFERS, f"sb1/X8c/{UID}.ms.split")] * 2


def test_index_that_lies_in_its_own_measurement_set_is_no_reason_to_refuse(delivery: Delivery) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_small_measurement_set(table, seed=1)
    select_rows(table, table / "SORTED_TABLE")
    taken_away(delivery)


def write_image(image: Path, name: str, **fields: object) -> Path:
    """Make an image that is made of others, as casacore 3 and CARTA read it."""
    write(image / name, json.dumps({"Version": 1, "DataType": "float", "MiscInfo": {}, **fields}).encode())
    return image


def test_image_whose_parts_are_elsewhere_is_refused(delivery: Delivery) -> None:
    image, part = block(delivery) / "a.plots/a.image", delivery.origin.parent / "n1.image"
    write_calibration_table(part)
    write_image(image, "imageconcat.json", Axis=3, Images=[str(part)])
    assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.plots/a.image", "pixels in n1.image")]


def test_image_whose_parts_are_in_it_or_beside_it_is_packaged(delivery: Delivery) -> None:
    plots = block(delivery) / "a.plots"
    image = write_image(plots / "a.image", "imageconcat.json", Axis=3, Images=["././n1.image", "./n2.fits"])
    write_calibration_table(image / "n1.image")
    write(plots / "n2.fits", b"")
    delivery.plan(Mode.COPY)


def test_image_that_is_computed_from_others_is_refused(delivery: Delivery) -> None:
    write_image(block(delivery) / "a.plots/a.image", "imageexpr.json", ImageExpr="'n1.image' + 1")
    found = "pixels computed from other images: 'n1.image' + 1"
    assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.plots/a.image", found)]


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"[]", b'{"Images": 3}', b'{"Images": [3]}'])
def test_file_with_the_name_of_an_image_and_another_content_is_no_reason_to_refuse(
    delivery: Delivery, text: bytes
) -> None:
    write(block(delivery) / "a.plots/imageconcat.json", text)
    delivery.plan(Mode.COPY)


def test_table_that_a_failing_disk_does_not_give_is_not_taken_for_one_that_needs_nothing(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, table = delivery.origin.parent / "whole.gcal", block(delivery) / "a.gcal"
    write_calibration_table(whole)
    select_rows(whole, table)
    real = os.open

    def failing(path: bytes | str, *arguments: int, **options: int) -> int:
        if path == bytes(table / "table.dat"):  # hashing it succeeds, because that opens it within its folder
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", failing)
    assert refused(delivery) == [(Code.UNREADABLE, "sb1/X8c/a.gcal/table.dat", "Input/output error")]


def test_empty_files_may_be_in_place_of_any_table(delivery: Delivery) -> None:
    write_calibration_table(delivery.origin.parent / "whole.gcal")
    select_rows(delivery.origin.parent / "whole.gcal", block(delivery) / "a.gcal")
    delivery.plan(Mode.FAKE)


@pytest.mark.parametrize("glob", ["SUBMSS", f"X8c/{UID}.ms.split/SUBMSS/*0001.ms", f"{UID}.ms.split.0001.ms"])
def test_part_of_a_multi_measurement_set_cannot_be_excluded(delivery: Delivery, glob: str) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    write_multi_measurement_set(table, SMALL)
    part = f"SUBMSS/{UID}.ms.split.0001.ms matches {glob}"
    assert (Code.TABLE_PART_EXCLUDED, f"sb1/X8c/{UID}.ms.split", part) in refused(delivery, glob)


@pytest.mark.parametrize("glob", ["FIELD", f"*/{UID}.ms.split/FI*"])
def test_subtable_cannot_be_excluded(delivery: Delivery, glob: str) -> None:
    table = f"sb1/X8c/{UID}.ms.split"
    write_measurement_set(block(delivery) / f"{UID}.ms.split", SMALL)
    assert refused(delivery, glob) == [(Code.TABLE_PART_EXCLUDED, table, f"FIELD matches {glob}")]


def test_subtable_is_missed_where_the_table_was_packaged_with_it_before(delivery: Delivery) -> None:
    """The table is known then, and is not read for its digest."""
    write_measurement_set(block(delivery) / f"{UID}.ms.split", SMALL)
    age(delivery.origin)
    delivery.make(Mode.COPY)
    assert [problem[0] for problem in refused(delivery, "FIELD")] == [Code.TABLE_PART_EXCLUDED]


@pytest.mark.parametrize("name", ["table.dat", "table.f0", "table.lock"])
def test_file_of_a_table_cannot_be_excluded(delivery: Delivery, name: str) -> None:
    write_calibration_table(block(delivery) / "a.gcal")
    assert (Code.TABLE_PART_EXCLUDED, "sb1/X8c/a.gcal", f"{name} matches {name}") in refused(delivery, name)


def test_what_a_table_does_not_need_can_be_excluded(delivery: Delivery) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    write_measurement_set(table, SMALL)
    write(table / "notes.txt", b"of the reducer")
    (table / "POINTING").rename(delivery.origin.with_name("gone"))  # the origin does not have it either
    delivery.make(Mode.COPY, exclude=("notes.txt", "POINTING"))
    assert not (delivery.member / f"raw/{UID}.ms.split/notes.txt").exists()
    assert row_count(delivery.member / f"raw/{UID}.ms.split") == 12


def needing(delivery: Delivery, how: str, table: str, other: str) -> None:
    """Make a table of usual managers in the block that needs another one beside it."""
    write_calibration_table(block(delivery) / other, rows=6)
    if how == "column":
        forwarded = {"FORWARDTABLE": str(block(delivery) / other)}
        write_virtual(block(delivery) / table, "ForwardColumnEngine", forwarded, rows=6)
    else:
        write_calibration_table(block(delivery) / table, rows=6)
        with tables.table(str(block(delivery) / table), readonly=False, ack=False) as opened:
            opened.putkeyword("OTHER", tables.table(str(block(delivery) / other), ack=False))
    age(delivery.origin)


NEEDED = {"column": "rows in", "keyword": "a subtable in"}


def planned_before(delivery: Delivery, how: str, *, is_applied: bool) -> None:
    """Plan, and perhaps apply, an origin in which one table needs another beside it."""
    needing(delivery, how, "a.gcal", "b.gcal")
    delivery.plan(Mode.COPY)
    if is_applied:
        delivery.apply()


@pytest.mark.parametrize("is_applied", [False, True])
@pytest.mark.parametrize("how", NEEDED)
def test_table_beside_another_is_missed_when_it_goes_elsewhere_whatever_was_planned_before(
    delivery: Delivery, how: str, is_applied: bool
) -> None:
    planned_before(delivery, how, is_applied=is_applied)
    found = [(Code.TABLE_REFERS, "sb1/X8c/a.gcal", f"{NEEDED[how]} sb1/X8c/b.gcal")]
    assert refused(delivery, include=(Include("X8c/b.gcal", "raw"),)) == found
    delivery.plan(Mode.COPY)


@pytest.mark.parametrize("is_applied", [False, True])
@pytest.mark.parametrize("how", NEEDED)
def test_table_beside_another_is_missed_when_it_has_gone_whatever_was_planned_before(
    delivery: Delivery, how: str, is_applied: bool
) -> None:
    planned_before(delivery, how, is_applied=is_applied)
    (block(delivery) / "b.gcal").rename(delivery.origin.with_name("gone"))
    assert refused(delivery) == [(Code.TABLE_REFERS, "sb1/X8c/a.gcal", f"{NEEDED[how]} sb1/X8c/b.gcal")]


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
@pytest.mark.parametrize("how", NEEDED)
def test_tables_that_need_each_other_are_packaged_again(delivery: Delivery, how: str, mode: Mode) -> None:
    """After a move there are only symlinks in both of them."""
    needing(delivery, how, "a.gcal", "b.gcal")
    delivery.make(mode)
    for _ in range(2):
        delivery.make(mode)
    assert delivery.problems() == []


@pytest.mark.parametrize("is_known", [False, True])
def test_measurement_set_is_asked_what_it_needs_also_where_its_columns_are_known(
    delivery: Delivery, is_known: bool
) -> None:
    table = block(delivery) / f"{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_measurement_set(table, Recipe(rows=12))
    write_measurement_set(block(delivery) / f"{UID}.ms.split.cal", SMALL)
    write_calibration_table(block(delivery) / "b.gcal")
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putkeyword("OTHER", tables.table(str(block(delivery) / "b.gcal"), ack=False))
    age(delivery.origin)
    if is_known:
        delivery.plan(Mode.COPY, include=(Include("X8c/b.gcal", "raw"),))
    assert refused(delivery) == [(Code.TABLE_REFERS, f"sb1/X8c/{UID}.ms.split", "a subtable in sb1/X8c/b.gcal")]
