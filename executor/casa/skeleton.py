"""View and skeleton: folders through which casacore works on a table without touching the table's own files.

casacore writes `table.lock` wherever it opens a table, and it opens every file of a writable table for writing. An
origin may be read-only, in use, or hard-linked with the package, so casacore never gets its path:

- a *view* is a table for reading: copies of the small files that casacore might write, symlinks to all others, which
  casacore opens read-only. `table.lock` is one of them: it tells how many rows the table has (`manifest.table_lock`);
- a *skeleton* is the same table for changing its columns: headers of the tiled managers are copied, the files of
  other managers are taken from an empty twin, and only the files that are to be written are real. Dropping and
  renaming columns reads no row, so it works on that as on the table.

They are made in scratch folders (`manifest.fs.scratch`), whose names casacore accepts. They are small, whatever the
size of the table.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from qa2pack.executor.casa.table import Table, create_table, opened_table, read_shape
from qa2pack.manifest.casa.column_split import Manager, manager_files
from qa2pack.manifest.path import join
from qa2pack.manifest.table_lock import LOCK_BYTES, LOCK_NAME, without_requests

_COPIED = frozenset({b"table.dat", b"table.info", LOCK_NAME})


def file_names(folder: bytes) -> list[bytes]:
    """Return the names of the regular files in a table's folder, symlinks followed, sorted."""
    with os.scandir(folder) as listing:
        return sorted(entry.name for entry in listing if entry.is_file())


def space_for(table: bytes, copied: Iterable[bytes] = ()) -> int:
    """Return the maximum size in bytes of a view and a skeleton of the table, with copies of some of its files.

    Raises:
        OSError: the table cannot be read.
    """
    names = file_names(table)
    sizes = {name: os.stat(join(table, name)).st_size for name in names}
    sizes[LOCK_NAME] = min(sizes.get(LOCK_NAME, 0), LOCK_BYTES)
    tiled = {name.partition(b"_TSM")[0] for name in names if b"_TSM" in name}
    return 2 * sum(sizes.get(name, 0) for name in {*_COPIED, *tiled}) + sum(sizes.get(name, 0) for name in copied)


def make_view(table: bytes, view: Path) -> None:
    """Make the folder `view` through which the table can be read.

    Raises:
        OSError: the table cannot be read.
    """
    view.mkdir()
    for name in file_names(table):
        if name in _COPIED:
            _copy(table, name, view)
        else:
            _link(table, name, view)


def make_skeleton(
    table: bytes, skeleton: Path, *, view: Path, linked: Iterable[bytes], copied: Iterable[bytes]
) -> None:
    """Make the folder `skeleton`, in which the table opens for changing its columns.

    Args:
        view: a view of the same table.
        linked: files of the table that casacore writes in place.
        copied: files of the table that casacore writes, but not in place.
    """
    skeleton.mkdir()
    real = {*linked, *copied}
    for name in linked:
        _link(table, name, skeleton)
    for name in {*_COPIED, *copied}.intersection(file_names(table)):
        _copy(table, name, skeleton)
    with opened_table(str(view)) as opened:
        managers = [manager for manager in read_shape(opened).managers if manager.header not in real]
        for manager in managers:
            if manager.is_tiled:
                _copy(table, manager.header, skeleton)
        plain = [manager for manager in managers if not manager.is_tiled]
        if plain:
            twin = skeleton.with_name("twin")
            _make_twin(opened, plain, twin)
            _take_files(twin, plain, skeleton)


def _make_twin(opened: Table, managers: list[Manager], twin: Path) -> None:
    """Make a table without rows of the columns of these managers, with the same storage managers."""
    description = opened.getdesc()
    infos = {tuple(info["COLUMNS"]): info for info in opened.getdminfo().values()}
    create_table(
        str(twin),
        {name: {**description[name], "keywords": {}} for manager in managers for name in manager.columns},
        {f"*{number}": infos[manager.columns] for number, manager in enumerate(managers, start=1)},
        endian=opened.endianformat(),
    )


def _take_files(twin: Path, managers: list[Manager], skeleton: Path) -> None:
    """Move the twin's files into the skeleton, under the names that the managers have in the table itself."""
    with opened_table(str(twin)) as opened:
        made = {manager.columns: manager for manager in read_shape(opened).managers}
    names = file_names(os.fsencode(twin))
    for manager in managers:
        header = made[manager.columns].header
        for name in manager_files(made[manager.columns], names):
            os.rename(
                join(os.fsencode(twin), name),
                join(os.fsencode(skeleton), manager.header + name.removeprefix(header)),
            )


def _copy(table: bytes, name: bytes, folder: Path) -> None:
    if name == LOCK_NAME:
        with open(join(table, name), "rb") as lock:  # in a child process: it holds no lock that this would drop
            (folder / os.fsdecode(name)).write_bytes(without_requests(lock.read(LOCK_BYTES)))
    else:
        shutil.copyfile(join(table, name), join(os.fsencode(folder), name))


def _link(table: bytes, name: bytes, folder: Path) -> None:
    os.symlink(os.path.abspath(join(table, name)), join(os.fsencode(folder), name))
