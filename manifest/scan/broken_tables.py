"""Broken tables: warns of tables that are damaged or incomplete, without casacore.

casacore is asked about measurement sets that lose columns. All other tables (calibration, subtables, images) are
packaged as they are, and one whose copy broke off would be noticed by whoever opens it, years later. What costs
little is looked at: whether `table.dat` is as long as it says, and whether its data managers have their first files.
It is no check of the content: the other files of a table may still be damaged.
"""

import os
from collections.abc import Iterator

from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.column_split import CONTAINERS
from qa2pack.manifest.casa.table_dat import NoTableError, TableFile, read_table_file
from qa2pack.manifest.fs.presence import leads_anywhere
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem


def table_faults(table: bytes) -> Iterator[Problem]:
    """Yield a warning if the table in a folder will not open; what cannot be read is reported by the scan."""
    try:
        fault = _fault(table, read_table_file(table))
    except (OSError, NoTableError):
        return
    except UnreadableTableError as error:
        fault = str(error)
    if fault:
        yield Problem(Code.W_TABLE_INCOMPLETE, table, found=fault)


def _fault(table: bytes, description: TableFile) -> str:
    """Say what is wrong; raises UnreadableTableError as well."""
    for name in sorted(description.first_files()):
        try:
            if not os.stat(join(table, name)).st_size:
                return f"{shown(name)} is empty"
        except FileNotFoundError:
            is_in_one_file = any(leads_anywhere(join(table, container)) for container in CONTAINERS)
            return "" if is_in_one_file else f"there is no {shown(name)}"
    return ""
