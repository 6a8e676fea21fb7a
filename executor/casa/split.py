"""Table split with casacore: describes tables, measures a split, and drops all data columns but one.

The visibilities are never read, copied or opened for writing; `executor.casa.skeleton` says how. casacore runs only
in child processes (`executor.casa.environment`), because damaged tables make it crash. A table in which the dropped
columns have no files of their own is the exception: `executor.casa.rewrite` rewrites it.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from qa2pack.executor.casa.child_process import ChildDiedError
from qa2pack.executor.casa.drop_columns import follow_weights, keep_one_column
from qa2pack.executor.casa.environment import check_casacore, run_isolated
from qa2pack.executor.casa.rewrite import measure_whole, split_whole, trial_bytes
from qa2pack.executor.casa.skeleton import file_names, make_skeleton, make_view, space_for
from qa2pack.executor.casa.table import opened_table, read_shape, tile_bytes
from qa2pack.manifest.casa.aips_io import UnreadableTableError
from qa2pack.manifest.casa.column_split import (
    CONTAINERS,
    CasacoreEnvironmentError,
    SplitSpec,
    TableBrokenError,
    TableShape,
    UnknownManagersError,
    manager_files,
)
from qa2pack.manifest.fs.scratch import SCRATCH_PREFIX
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code

Answer = TypeVar("Answer")

_DESCRIBE_SECONDS = 120
_MEASURE_SECONDS = 1800  # an incremental manager, or a whole small table, is written as a trial
# The exceptions that were seen when every file of a table was damaged in many ways.
_OF_DAMAGE = (UnreadableTableError, RuntimeError, OSError, MemoryError, ArithmeticError, LookupError, ValueError)
# What the system or a server refuses or fails at, which says nothing of the table.
_OF_SYSTEM = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN)
_NUMBERS = {Code.SCRATCH_FULL: errno.ENOSPC, Code.MEMORY_SHORT: errno.ENOMEM}
_IN_SCRATCH = re.compile(rf"\S*/{SCRATCH_PREFIX}[^/\s]+/work/(?:(?:new|here/\.split)/table|table|skeleton|here)")
_OWN = (b"table.dat", b"table.info", b"table.lock")


def describe_table(table: bytes) -> TableShape:
    """Return columns and storage managers of the table in a folder, which is not changed.

    Existence and length of the storage managers' files are checked as far as possible without reading them.

    Raises:
        TableBrokenError: the table, a file of it, or a column in it cannot be opened.
    """
    table = os.path.abspath(table)
    with _of_table(table):
        space = space_for(table)
    return _asked(table, partial(_describe, table), space=space, seconds=_DESCRIBE_SECONDS)


def measure_split(table: bytes, spec: SplitSpec) -> SplitSpec:
    """Return the spec with the exact size of every file that the split writes, measured by a trial.

    For a whole split the dropped files are determined too, and sizes of large tables are estimated (`estimated`).

    Raises:
        TableBrokenError: casacore cannot split it.
    """
    table = os.path.abspath(table)
    measure = measure_whole(table, spec) if spec.whole else partial(_measure, table, spec)
    with _of_table(table):
        space = trial_bytes(table, spec) if spec.whole else space_for(table, spec.written)
    fault = Code.TABLE_NOT_REWRITTEN if spec.whole else Code.TABLE_BROKEN
    return _asked(table, measure, space=space, seconds=_MEASURE_SECONDS, fault=fault)


def split_staged_table(staged: bytes, spec: SplitSpec) -> None:
    """Drop and rename columns of a staged table, compute its weights, and remove the placeholders.

    The folder holds the origin's files without `spec.dropped`, but with `spec.placeholders`; those in `spec.written`
    are copies. Other files may be hard links or symlinks: they are not opened for writing. The same input gives the
    same bytes, except as said in `executor.casa.rewrite`. If it raises, or is stopped, the written files and the
    placeholders must be staged again.

    Raises:
        OSError: a file cannot be read or written, also where casacore reports that as text.
        OtherFilesError: a table that is rewritten has other files than planned.
        ValueError: a file to be written is staged as a link; nothing was changed.
    """
    staged = os.path.abspath(staged)
    try:
        if spec.whole:
            split_whole(staged, spec)
        else:
            _split(staged, spec)
    except CasacoreEnvironmentError as error:
        raise OSError(_NUMBERS.get(error.code, errno.EIO), error.found, error.path) from error
    except (RuntimeError, ChildDiedError, UnreadableTableError, UnknownManagersError) as error:
        raise OSError(errno.EIO, _reason(staged, error), staged) from error


def _asked(
    table: bytes,
    question: Callable[[Path], Answer],
    *,
    space: int,
    seconds: int,
    fault: Code = Code.TABLE_BROKEN,
) -> Answer:
    try:
        return run_isolated(question, space_bytes=space, seconds=seconds)
    except UnknownManagersError as error:
        raise TableBrokenError(table, str(error), Code.MANAGER_UNKNOWN) from error
    except (*_OF_DAMAGE, ChildDiedError) as error:
        check_casacore(space)
        raise TableBrokenError(table, _reason(table, error), _code(error, fault)) from error


def _code(error: Exception, fault: Code = Code.TABLE_BROKEN) -> Code:
    """Return `fault` if the table is at fault; casacore reports system errors as text."""
    number = error.errno if isinstance(error, OSError) else None
    is_of_system = number in _OF_SYSTEM or any(os.strerror(each) in str(error) for each in _OF_SYSTEM)
    return Code.UNREADABLE if is_of_system else fault


def _reason(table: bytes, error: Exception) -> str:
    """Return what the error says, of the table and not of the scratch folder through which casacore saw it."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.strerror}: {os.fsdecode(error.filename)}"
    return _IN_SCRATCH.sub(lambda _: shown(table), text) or type(error).__name__


@contextmanager
def _of_table(table: bytes) -> Iterator[None]:
    """Turn an OSError from the table's files into a TableBrokenError."""
    try:
        yield
    except OSError as error:
        raise TableBrokenError(table, _reason(table, error), _code(error)) from error


def _describe(table: bytes, scratch: Path) -> TableShape:
    view = scratch / "table"
    make_view(table, view)
    with opened_table(str(view)) as opened:
        shape = read_shape(opened)
        _check_files(table, shape, tile_bytes(opened))
    return shape


def _check_files(table: bytes, shape: TableShape, needed: dict[int, int]) -> None:
    """Check the size of tile files: casacore opens them only when needed, so it does not notice missing ones."""
    names = file_names(table)
    if not CONTAINERS.isdisjoint(names):
        return  # all managers are in one file
    for manager in shape.managers:
        tiles = (name for name in manager_files(manager, names) if name != manager.header)
        found = sum(os.stat(join(table, name)).st_size for name in tiles)
        if found < needed.get(manager.sequence, 0):
            columns = ", ".join(manager.columns)
            raise OSError(f"the files of {columns} hold {found} bytes, not {needed[manager.sequence]}")


def _measure(table: bytes, spec: SplitSpec, scratch: Path) -> SplitSpec:
    known = dict(spec.sizes)
    filled = set(spec.written).difference(_OWN)
    trial = frozenset() if known.keys() >= filled else filled
    view, skeleton = scratch / "table", scratch / "skeleton"
    make_view(table, view)
    make_skeleton(table, skeleton, view=view, linked=(), copied=trial)
    _change_columns(view, skeleton, spec, with_weights=bool(trial))
    sizes = known | _sizes(skeleton, {*trial, *_OWN})
    return replace(spec, sizes=tuple(sorted(sizes.items())))


def _split(staged: bytes, spec: SplitSpec) -> None:
    _refuse_links(staged, spec)
    run_isolated(
        partial(_split_in, staged, spec), space_bytes=space_for(staged), collect=partial(_take_own, staged, spec)
    )


def _split_in(staged: bytes, spec: SplitSpec, scratch: Path) -> None:
    view, skeleton = scratch / "table", scratch / "skeleton"
    make_view(staged, view)
    make_skeleton(staged, skeleton, view=view, linked=set(spec.written).difference(_OWN), copied=())
    _change_columns(view, skeleton, spec, with_weights=True)


def _take_own(staged: bytes, spec: SplitSpec, scratch: Path) -> None:
    skeleton = scratch / "skeleton"
    for name in spec.placeholders:
        os.unlink(join(staged, name))
    for name in _sizes(skeleton, _OWN):
        shutil.copyfile(join(os.fsencode(skeleton), name), join(staged, name))


def _refuse_links(staged: bytes, spec: SplitSpec) -> None:
    """Refuse links among the files that are written in place: each write would change the origin."""
    for name in spec.written:
        status = os.lstat(join(staged, name))
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise ValueError(f"{shown(join(staged, name))} must be staged as a copy, and it is a link")


def _change_columns(view: Path, skeleton: Path, spec: SplitSpec, *, with_weights: bool) -> None:
    with opened_table(str(skeleton), writable=True) as changed:
        keep_one_column(changed, spec)
        if with_weights:
            with opened_table(str(view)) as before:
                follow_weights(before, changed, spec)


def _sizes(folder: Path, names: Iterable[bytes]) -> dict[bytes, int]:
    present = set(names).intersection(file_names(os.fsencode(folder)))
    return {name: os.stat(join(os.fsencode(folder), name)).st_size for name in present}
