"""Broken tables: warns of tables that are damaged or incomplete, without casacore.

casacore is asked about measurement sets that lose columns. All other tables (calibration, subtables, images) are
packaged as they are, and one whose copy broke off would be noticed by whoever opens it, years later. What costs
little is looked at: whether `table.dat` is as long as it says, whether its data managers have their first files, and
of what casacore itself does not miss, whether `table.lock` tells the number of rows, and the subtables are there.
It is no check of the content: the other files of a table may still be damaged.
"""

import os
from collections.abc import Iterator

from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.column_split import CONTAINERS
from qa2pack.manifest.casa.table_dat import Kind, TableFile, TableNames, located
from qa2pack.manifest.fs.presence import is_file, leads_anywhere
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.scan.table_references import DESCRIPTION, is_inside
from qa2pack.manifest.table_lock import LOCK_NAME, may_tell_rows


def table_faults(table: bytes, description: TableFile, names: TableNames) -> Iterator[Problem]:
    """Yield warnings if something of the table in a folder is damaged or not there.

    What cannot be read is reported by the scan. A subtable is looked for, and nothing else of it: it is a table of
    its own.

    Args:
        description, names: what its `table.dat` holds, and what that says of other tables.
    """
    try:
        for fault in filter(None, (_file_fault(table, description), _lock_fault(table, description))):
            yield Problem(Code.W_TABLE_INCOMPLETE, table, found=fault)
        for subtable in _missing_subtables(table, names):
            yield Problem(Code.W_TABLE_INCOMPLETE, subtable, found=f"there is no {shown(DESCRIPTION)}")
    except OSError:
        return
    except UnreadableTableError as error:
        yield damaged_description(table, error)


def damaged_description(table: bytes, error: UnreadableTableError) -> Problem:
    """Return the warning of a table whose `table.dat` is not as casacore writes it."""
    return Problem(Code.W_TABLE_INCOMPLETE, table, found=str(error))


def _file_fault(table: bytes, description: TableFile) -> str:
    """Say without which file the table will not open; raises UnreadableTableError as well."""
    for name in sorted(description.first_files()):
        try:
            if not os.stat(join(table, name)).st_size:
                return f"{shown(name)} is empty"
        except FileNotFoundError:
            is_in_one_file = any(leads_anywhere(join(table, container)) for container in CONTAINERS)
            return "" if is_in_one_file else f"there is no {shown(name)}"
    return ""


def _lock_fault(table: bytes, description: TableFile) -> str:
    """Say why rows may be missing. The lock is not opened: see `manifest.table_lock`."""
    if description.kind != Kind.PLAIN:  # the others have none
        return ""
    try:
        if may_tell_rows(os.stat(join(table, LOCK_NAME)).st_size):
            return ""
        fault = f"{shown(LOCK_NAME)} does not tell the number of rows"
    except FileNotFoundError:
        fault = f"there is no {shown(LOCK_NAME)}"
    return f"{fault}, so it has {counted(description.row_count, 'row')}"


def _missing_subtables(table: bytes, names: TableNames) -> Iterator[bytes]:
    """Yield the folders of subtables that lie in the table's folder by its keywords, and are not there."""
    for name in filter(is_inside, names.keywords):
        subtable = located(name, table)
        if not is_file(join(subtable, DESCRIPTION)):
            yield subtable
