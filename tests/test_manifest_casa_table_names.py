import os
from pathlib import Path

import numpy as np
import pytest
from casacore import tables

from qa2pack.manifest.casa.table_names import Kind, TableNames, located, parse_table_names, read_table_names
from support.measurement_sets import (
    Recipe,
    select_rows,
    write_calibration_table,
    write_measurement_set,
    write_multi_measurement_set,
)


def names_of(table: Path) -> TableNames:
    return read_table_names(os.fsencode(table))


def test_selection_names_the_table_with_its_rows(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    write_calibration_table(tmp_path / "a/whole")
    select_rows(tmp_path / "a/whole", tmp_path / "a/beside")
    select_rows(tmp_path / "a/whole", tmp_path / "b/elsewhere")
    select_rows(tmp_path / "a/whole", tmp_path / "a/whole/inside")
    whole = os.fsencode(tmp_path / "a/whole")
    for name in ("a/beside", "b/elsewhere", "a/whole/inside"):
        found = names_of(tmp_path / name)
        assert found.kind is Kind.SELECTION
        assert [located(row, os.fsencode(tmp_path / name)) for row in found.rows] == [whole]


def test_multi_measurement_set_names_its_parts_by_their_place(tmp_path: Path) -> None:
    write_multi_measurement_set(tmp_path / "u.ms", Recipe(rows=6))
    assert names_of(tmp_path / "u.ms") == TableNames(
        Kind.CONCATENATION, rows=(b"./u.ms/SUBMSS/u.ms.0000.ms", b"./u.ms/SUBMSS/u.ms.0001.ms")
    )


def test_measurement_set_names_its_own_subtables(tmp_path: Path) -> None:
    write_measurement_set(tmp_path / "u.ms", Recipe(rows=6))
    found = names_of(tmp_path / "u.ms")
    assert (found.kind, found.rows) == (Kind.PLAIN, ())
    assert {located(name, b"x/u.ms") for name in found.keywords} >= {b"x/u.ms/ANTENNA", b"x/u.ms/POINTING"}


def test_subtables_are_found_among_keywords_of_every_type(tmp_path: Path) -> None:
    write_calibration_table(tmp_path / "other")
    (tmp_path / "far").mkdir()
    write_calibration_table(tmp_path / "far/other")
    many = {
        "bool": True,
        "text": "Table or not",
        "number": 2**40,
        "float": 2.5,
        "complex": 1 + 2j,
        "array": np.arange(6.0).reshape(2, 3),
        "texts": ["a", "bc"],
        "flags": np.array([True, False]),
        "inner": {"x": 1, "deeper": {"y": [1, 2]}},
        "empty": {},
    }
    description = tables.maketabdesc([tables.makescacoldesc("A", 0, keywords=many)])
    (tmp_path / "box").mkdir()
    with tables.table(str(tmp_path / "box/t"), description, ack=False) as table:
        table.putkeywords(many)
        table.putkeyword("LATER", {"inside": f"Table: {tmp_path}/far/other"})
        table.putcolkeyword("A", "TABLE", tables.table(str(tmp_path / "other"), ack=False))
    path = tmp_path / "box/t"
    found = {os.fsdecode(located(name, os.fsencode(path))) for name in names_of(path).keywords}
    assert found == {f"{tmp_path}/other", f"{tmp_path}/far/other"}


@pytest.mark.parametrize("data", [b"", b"no table", b"\xbe" * 400, b"\xbe\xbe\xbe\xbe" + b"\xff" * 40])
def test_of_what_is_no_table_nothing_is_said(data: bytes) -> None:
    assert parse_table_names(data) == TableNames()


def test_description_cut_anywhere_is_read_without_an_error(tmp_path: Path) -> None:
    write_calibration_table(tmp_path / "t")
    select_rows(tmp_path / "t", tmp_path / "s")
    for name in "ts":
        data = (tmp_path / name / "table.dat").read_bytes()
        for end in range(len(data)):
            parse_table_names(data[:end])
