"""What `table.dat` says is read before casacore could load a library for it, and as casacore reads it."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from casacore import tables

from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.table_dat import (
    Kind,
    TableNames,
    located,
    parse_table_file,
    read_table_file,
)
from qa2pack.manifest.scan.table_look import look_into_table
from support.measurement_sets import (
    Recipe,
    Shared,
    select_rows,
    write_calibration_table,
    write_measurement_set,
    write_multi_measurement_set,
)


def names_of(table: Path) -> TableNames:
    return look_into_table(os.fsencode(table)).names


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
def test_of_what_is_no_table_nothing_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "table.dat").write_bytes(data)
    assert names_of(tmp_path) == TableNames()


def test_name_that_no_path_has_is_left_out(tmp_path: Path) -> None:
    write_measurement_set(tmp_path / "u.ms", Recipe(rows=6))
    select_rows(tmp_path / "u.ms", tmp_path / "selection")
    for name, old in (("u.ms", b"././ANTENNA"), ("selection", b"./u.ms")):
        file = tmp_path / name / "table.dat"
        file.write_bytes(file.read_bytes().replace(old, old[:-2] + b"\0A"))
    named = names_of(tmp_path / "u.ms").keywords
    assert b"././FIELD" in named
    assert not any(b"\0" in name for name in named)
    assert names_of(tmp_path / "selection") == TableNames()


def test_description_cut_anywhere_is_read_or_called_unreadable(tmp_path: Path) -> None:
    write_calibration_table(tmp_path / "t")
    select_rows(tmp_path / "t", tmp_path / "s")
    for name in "ts":
        data = (tmp_path / name / "table.dat").read_bytes()
        for end in range(len(data)):
            with suppress(UnreadableTableError):
                found = parse_table_file(data[:end])
                assert isinstance(found.names(), TableNames)
                assert found.managers() <= {"StandardStMan"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "u.ms"
    write_measurement_set(path, Recipe(shared=(Shared("IncrementalStMan", ("WEIGHT", "SIGMA")),)))
    return path


def casacore_says(table: Path) -> set[str]:
    opened = tables.table(str(table), ack=False)
    names = {info["TYPE"] for info in opened.getdminfo().values()}
    opened.close()
    return names


def test_names_are_those_that_casacore_gives(table: Path) -> None:
    assert read_table_file(os.fsencode(table)).managers() == casacore_says(table)
    assert read_table_file(os.fsencode(table)).unknown() == ()


_MAKE = """
import sys
from casacore import tables
description = tables.maketabdesc([tables.makescacoldesc("A", 1.0), tables.makearrcoldesc("B", 1.0)])
tables.table(sys.argv[1], description, nrow=2, ack=False).close()
"""


def test_names_are_read_where_one_file_holds_all_managers(tmp_path: Path) -> None:
    """Then the list stands in a newer form."""
    settings = tmp_path / "settings"
    settings.write_text("table.storage.option: multifile\n")
    path = tmp_path / "t"
    environment = os.environ | {"CASARCFILES": str(settings)}
    subprocess.run([sys.executable, "-c", _MAKE, path], env=environment, check=True)
    assert (path / "table.mf").exists()
    assert read_table_file(os.fsencode(path)).managers() == {"StandardStMan"}


def rename_manager(table: Path, old: bytes, new: bytes) -> None:
    """Replace a manager's name by one of the same length, so that no length has to follow."""
    file = table / "table.dat"
    file.write_bytes(file.read_bytes().replace(old, new))


def test_unknown_name_is_reported(table: Path) -> None:
    rename_manager(table, b"IncrementalStMan", b"/../../evil/evil")
    assert read_table_file(os.fsencode(table)).unknown() == ("/../../evil/evil",)


@pytest.mark.parametrize("engine", [b"ForwardColumnEngine", b"VirtualTaQLColumn"])
def test_manager_that_opens_other_tables_is_not_trusted(table: Path, engine: bytes) -> None:
    file = table / "table.dat"
    start, listed, rest = file.read_bytes().rpartition(b"\0\0\0\x10IncrementalStMan")
    file.write_bytes(start + len(engine).to_bytes(4, "big") + engine + rest)
    assert listed
    assert read_table_file(os.fsencode(table)).unknown() == (engine.decode(),)


def test_table_that_refers_to_another_is_of_another_kind(table: Path) -> None:
    opened = tables.table(str(table), ack=False)
    opened.query("rownumber() < 3", name=f"{table}.ref").close()
    opened.close()
    assert read_table_file(os.fsencode(f"{table}.ref")).kind == "RefTable"


@pytest.mark.parametrize("length", [0, 3, 30, 200])
def test_file_that_ends_early_is_unreadable(table: Path, length: int) -> None:
    file = table / "table.dat"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(UnreadableTableError):
        read_table_file(os.fsencode(table)).managers()


def test_length_that_leads_elsewhere_is_unreadable(table: Path) -> None:
    """A description that says a wrong length would hide the names; casacore takes no such description either."""
    file = table / "table.dat"
    data = bytearray(file.read_bytes())
    at = data.index(b"\0\0\0\x09TableDesc") - 4
    data[at : at + 4] = (1 << 20).to_bytes(4, "big")
    file.write_bytes(data)
    with pytest.raises(UnreadableTableError):
        read_table_file(os.fsencode(table)).managers()


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "table.dat")
    with pytest.raises(UnreadableTableError, match="not a regular file"):
        read_table_file(os.fsencode(tmp_path))
