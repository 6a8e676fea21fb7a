"""Subtables of a table that casacore copies: empty tables in their places, and the names that keywords have for them.

casacore copies a subtable that a keyword of the table or of a column names, and puts the copy into the folder of the
new table, wherever the subtable lay. It leaves the names in records as they were: these would lead to the folder of
the old table. So what keywords name is compared, and put right.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from qa2pack.executor.casa.table import Table, create_table
from qa2pack.manifest.casa.table_dat import located, read_table_file
from qa2pack.manifest.fs.presence import is_file

_IS_TABLE = "Table: "  # before the path of a table, where a keyword has one


def make_empty_subtables(view: Path) -> None:
    """Put an empty table wherever a keyword of the view names one, which casacore finds and copies quickly.

    Also where the table itself has none: the keyword stays.
    """
    for name in sorted(_names(view)):
        place = located(name, os.fsencode(view))
        if place.startswith(os.fsencode(f"{view.parent}/")):
            _make_empty(place)


def subtable_places(table: Table, path: Path) -> dict[tuple[str, str], str]:
    """Return by column, empty for the table itself, and keyword in which table it names.

    A keyword in a record has the names of the records before it, with a dot behind each. Paths are relative to the
    folder that the table lies in.
    """
    keywords = {"": table.getkeywords()} | {name: table.getcolkeywords(name) for name in table.colnames()}
    return {
        (column, name): place.removeprefix(f"{path.parent}/")
        for column, each in keywords.items()
        for name, place in _named(each)
    }


def name_as_before(copy: Table, path: Path, before: Mapping[tuple[str, str], str]) -> None:
    """Let the keywords of the copy, whose columns have the names of before, name the tables that they named before.

    Args:
        path: of the copy, in whose folder empty tables may be made; the last name is that of the table before.
    """
    for (column, keyword), place in subtable_places(copy, path).items():
        named = before.get((column, keyword), place)
        if named == place:
            continue
        _make_empty(os.fsencode(path.parent / named))
        value = f"{_IS_TABLE}{path.parent / named}"
        if column:
            copy.putcolkeyword(column, keyword, value)
        else:
            copy.putkeyword(keyword, value)


def refuse_other_names(view: Path, copy: Path) -> None:
    """Raise RuntimeError if the copy, which is closed, names a table that the view does not."""
    if other := _names(copy) - _names(view):
        raise RuntimeError(f"casacore would name the subtable {os.fsdecode(min(other))}, which it did not")


def _names(table: Path) -> set[bytes]:
    return set(read_table_file(os.fsencode(table)).names().keywords)


def _named(keywords: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in keywords.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", place) for inner, place in _named(value))
        elif isinstance(value, str) and value.startswith(_IS_TABLE):
            yield name, value.removeprefix(_IS_TABLE)


def _make_empty(place: bytes) -> None:
    if not is_file(os.path.join(place, b"table.dat")):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        create_table(os.fsdecode(place), {}, {})
