"""Rewrite split: copies a table without the dropped columns, where these have no files of their own.

casacore cannot remove one column from files that several columns share and free the space. So it copies the columns
that stay into a new table, which then replaces the old one. This favours correctness over speed: CASA never makes
such tables. The sizes are reproducible; the bytes are not where a standard manager stores arrays, because casacore
leaves uninitialised gaps in such files.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from qa2pack.executor.casa.drop_columns import follow_weights, keep_one_column
from qa2pack.executor.casa.environment import run_isolated
from qa2pack.executor.casa.skeleton import file_names, make_view, space_for
from qa2pack.executor.casa.subtables import make_empty_subtables, name_as_before, refuse_other_names, subtable_places
from qa2pack.executor.casa.table import Table, Values, cell_shapes, opened_table, read_shape
from qa2pack.manifest.casa.column_split import OtherFilesError, SplitSpec, TableShape, final_name, manager_files
from qa2pack.manifest.path import join

_NEW = ".split"  # in the folder of the staged table, to be on its file system; removed by the next try
_TABLE = "table"
_TRIAL_BYTES = 128 << 20
_CHUNK_ROWS = 1 << 16


def split_whole(staged: bytes, spec: SplitSpec) -> None:
    """Rewrite the staged table without the dropped columns; its subtables do not change.

    Raises:
        OtherFilesError: casacore makes other files than `spec` says; the staged files are as they were.
        RuntimeError: casacore cannot.
        OSError: a file cannot be written.
    """
    folder = join(staged, os.fsencode(_NEW))
    new = join(folder, os.fsencode(_TABLE))
    shutil.rmtree(folder, ignore_errors=True)
    run_isolated(
        partial(_write_beside, staged, spec), space_bytes=space_for(staged), written_bytes=partial(_bytes_in, new)
    )
    if {*file_names(new)} != {name for name, _ in spec.sizes}:
        # Published, a file that the plan does not have would be one that nobody knows: in no delivery, and removed.
        raise OtherFilesError(tuple(sorted(name for name, _ in spec.sizes)), tuple(file_names(new)))
    for name in spec.written:
        os.unlink(join(staged, name))
    for name in file_names(new):
        os.rename(join(new, name), join(staged, name))
    shutil.rmtree(folder)


def _bytes_in(folder: bytes) -> int:
    try:
        return sum(os.stat(join(folder, name)).st_size for name in file_names(folder))
    except OSError:  # not made yet, or a file has just gone: the next look tells
        return 0


def _write_beside(staged: bytes, spec: SplitSpec, scratch: Path) -> None:
    view, here = scratch / _TABLE, scratch / "here"
    make_view(staged, view)
    here.symlink_to(staged)  # a path that casacore accepts, whatever the name of the staged folder
    (here / _NEW).mkdir()
    _write(view, here / _NEW / _TABLE, spec)


def trial_bytes(table: bytes, spec: SplitSpec) -> int:
    """Return the maximum number of bytes that a trial takes."""
    return space_for(table) + min(sum(_sizes(table, spec).values()), _TRIAL_BYTES)


def measure_whole(table: bytes, spec: SplitSpec) -> Callable[[Path], SplitSpec]:
    """Return the question for a child: the files after the split, by a trial; of large tables with few rows."""
    return partial(_measure, table, spec, _TRIAL_BYTES)


def _measure(table: bytes, spec: SplitSpec, most_bytes: int, scratch: Path) -> SplitSpec:
    before = _sizes(table, spec)
    estimated = sum(before.values()) > most_bytes
    view, new = scratch / _TABLE, scratch / "new" / _TABLE
    new.parent.mkdir()
    make_view(table, view)
    _write(view, new, spec, rows=_rows_of_each_shape(view, spec) if estimated else None)
    sizes = {name: os.stat(join(os.fsencode(new), name)).st_size for name in file_names(os.fsencode(new))}
    if estimated:
        sizes |= _scaled(sizes, before, _shape(view), _shape(new), renamed=spec.keep)
    return replace(
        spec,
        dropped=tuple(sorted(before.keys() - sizes.keys())),
        sizes=tuple(sorted(sizes.items())),
        estimated=estimated,
    )


def _sizes(table: bytes, spec: SplitSpec) -> dict[bytes, int]:
    """Return the sizes of the table's own files; what else lies in its folder is not touched."""
    return {name: os.stat(join(table, name)).st_size for name in spec.written}


def _write(view: Path, new: Path, spec: SplitSpec, *, rows: "Values | None" = None) -> None:
    """Write the table `new`, in a folder of its own and with the name of the view."""
    import numpy as np

    make_empty_subtables(view)
    with opened_table(str(view)) as table:
        places = subtable_places(table, view)
        chosen = table.selectrows(np.arange(table.nrows()) if rows is None else rows)
        if spec.drop:  # from the selection alone; in casacore's query language some columns cannot be named
            chosen.removecols(spec.drop)
        chosen.copy(str(new), deep=True, valuecopy=True).close()
    with opened_table(str(new), writable=True) as written:
        name_as_before(written, new, places)
        keep_one_column(written, replace(spec, drop=()))
        follow_weights(written, written, spec)
    refuse_other_names(view, new)


def _rows_of_each_shape(view: Path, spec: SplitSpec) -> Values:
    """Return rows for which casacore makes the same file names as for all rows.

    Names depend on values only where a manager has a file for each shape: the first row of each shape is among them,
    in the order of the table.
    """
    import numpy as np

    with opened_table(str(view)) as table:
        columns = [name for each in read_shape(table).managers if each.has_file_per_shape for name in each.columns]
        first = {row for name in columns if name not in spec.drop for row in _first_of_each_shape(table, name)}
        return np.array(sorted(first | set(range(min(table.nrows(), 1)))), dtype=np.int64)


def _first_of_each_shape(table: Table, column: str) -> Iterator[int]:
    import numpy as np

    seen: set[str] = set()
    for start in range(0, table.nrows(), _CHUNK_ROWS):
        rows = range(start, min(start + _CHUNK_ROWS, table.nrows()))
        shapes, positions = np.unique(cell_shapes(table, column, rows), return_index=True)
        yield from (start + int(at) for shape, at in zip(shapes, positions, strict=True) if shape not in seen)
        seen.update(map(str, shapes))


def _shape(table: Path) -> TableShape:
    with opened_table(str(table)) as opened:
        return read_shape(opened)


def _scaled(
    trial: dict[bytes, int], before: dict[bytes, int], old: TableShape, new: TableShape, *, renamed: str
) -> Iterator[tuple[bytes, int]]:
    """Estimate sizes: that of each manager, less the share of dropped columns, spread over its trial files."""
    for manager in new.managers:
        column = manager.columns[0] if manager.columns[0] != final_name(renamed) else renamed
        if column not in old.columns:
            column = "WEIGHT_SPECTRUM"  # SIGMA_SPECTRUM is added in its shape
        was = next(each for each in old.managers if column in each.columns)
        held = sum(before[name] for name in manager_files(was, before))
        names = manager_files(manager, trial)
        tried = max(1, sum(trial[name] for name in names))
        for name in names:
            yield name, held * len(manager.columns) * trial[name] // (len(was.columns) * tried)
