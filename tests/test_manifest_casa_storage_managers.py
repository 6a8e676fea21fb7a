"""The names of data managers are read before casacore could load a library for one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.manifest.casa.storage_managers import UnreadableTableError, read_table_file
from support.measurement_sets import Recipe, Shared, write_measurement_set


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
    assert read_table_file(os.fsencode(table)).managers == casacore_says(table)
    assert read_table_file(os.fsencode(table)).unknown == ()


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
    assert read_table_file(os.fsencode(path)).managers == {"StandardStMan"}


def rename_manager(table: Path, old: bytes, new: bytes) -> None:
    """Replace a manager's name by one of the same length, so that no length has to follow."""
    file = table / "table.dat"
    file.write_bytes(file.read_bytes().replace(old, new))


def test_unknown_name_is_told(table: Path) -> None:
    rename_manager(table, b"IncrementalStMan", b"/../../evil/evil")
    assert read_table_file(os.fsencode(table)).unknown == ("/../../evil/evil",)


@pytest.mark.parametrize("engine", [b"ForwardColumnEngine", b"VirtualTaQLColumn"])
def test_manager_that_opens_other_tables_is_not_trusted(table: Path, engine: bytes) -> None:
    file = table / "table.dat"
    start, listed, rest = file.read_bytes().rpartition(b"\0\0\0\x10IncrementalStMan")
    file.write_bytes(start + len(engine).to_bytes(4, "big") + engine + rest)
    assert listed
    assert read_table_file(os.fsencode(table)).unknown == (engine.decode(),)


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
        read_table_file(os.fsencode(table))


def test_length_that_leads_elsewhere_is_unreadable(table: Path) -> None:
    """A description that says a wrong length would hide the names; casacore takes no such description either."""
    file = table / "table.dat"
    data = bytearray(file.read_bytes())
    at = data.index(b"\0\0\0\x09TableDesc") - 4
    data[at : at + 4] = (1 << 20).to_bytes(4, "big")
    file.write_bytes(data)
    with pytest.raises(UnreadableTableError):
        read_table_file(os.fsencode(table))


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "table.dat")
    with pytest.raises(UnreadableTableError, match="not a regular file"):
        read_table_file(os.fsencode(tmp_path))
