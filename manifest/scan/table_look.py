"""A look into a table: what it needs of other tables and what it lacks, from one reading of its `table.dat`.

It is taken in every plan, of unchanged tables too: what an earlier plan found there may have gone since, or go
elsewhere now.
"""

import errno
from dataclasses import field

from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.table_dat import NoTableError, TableNames, read_table_file
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.scan.broken_tables import damaged_description, table_faults

# Nothing, a loop of links, a folder, a socket.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class TableLook:
    """What is seen of a table without opening it.

    Attributes:
        names: what it says of others; nothing where it is none, or cannot be understood.
        faults: warnings of what it lacks.
        is_measurement_set: by what it holds, whatever it is called.
    """

    names: TableNames = field(default_factory=TableNames)
    faults: tuple[Problem, ...] = ()
    is_measurement_set: bool = False


def look_into_table(table: bytes) -> TableLook:
    """Look into the table in a folder; never waits.

    Raises:
        OSError: it cannot be read; taken for nothing, the table would be packaged without what it needs.
    """
    try:
        description = read_table_file(table)
    except NoTableError:
        return TableLook()
    except UnreadableTableError as error:
        return TableLook(faults=(damaged_description(table, error),))
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return TableLook()
    names = description.names()
    return TableLook(names, tuple(table_faults(table, description, names)), description.is_measurement_set)
