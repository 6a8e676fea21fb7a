"""Kept bundle: a hard link to the bundle of the replaced package, if that holds what would be written now.

As of other kept files, size and mtime tell that it is as packaged, and it is not read. One with a `table.lock` in it
is: the number of rows that the lock tells is content, and no digest tells whether it is still that of the origin.
"""

import os
import stat

from qa2pack.executor.io.disk import is_linked
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.made import MadeFile
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import BundleTask, EarlierBundle
from qa2pack.manifest.format.inside import Inside, inside_of
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file, opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.table_lock import is_table_lock, row_count_of
from qa2pack.manifest.verify.inside import look_into


def keep_bundle(context: StagingContext, task: BundleTask, target: bytes) -> MadeFile | None:
    """Link the bundle of the replaced package to the target, which does not exist; None if it has to be written.

    Raises:
        OSError: the link fails, other than for want of hard links, or a disk fails to read.
    """
    made = task.earlier
    if made is None:
        return None
    place, name = os.path.split(join(context.folder, task.path))
    try:
        with opened_beneath(context.package, place) as fd:
            if not _is_as_planned(context, task, made, name, fd):
                return None
            with opened_folder(os.path.dirname(target)) as target_fd:
                if not is_linked(context.disk, name, os.path.basename(target), source_fd=fd, dir_fd=target_fd):
                    return None
    except (FileNotFoundError, NotADirectoryError):
        return None  # of the old package
    return MadeFile(made.size, made.digest, made.size - task.largest_bytes, made.mtime_ns)


def _is_as_planned(context: StagingContext, task: BundleTask, made: EarlierBundle, name: bytes, dir_fd: int) -> bool:
    status = os.lstat(name, dir_fd=dir_fd)
    if not stat.S_ISREG(status.st_mode) or state_of(status).written != (made.size, made.mtime_ns):
        return False
    locks = [inside for inside in inside_of(task) if inside.index is not None and is_table_lock(inside.path)]
    if not locks:
        return True
    try:
        row_counts = {inside.entry.path: _rows_at_origin(context, inside) for inside in locks}
    except OSError:
        return False  # what writes the bundle then says why
    with opened_file(name, dir_fd=dir_fd) as fd:
        seen = look_into(fd, task)
    return not seen.differences and seen.row_counts == row_counts


def _rows_at_origin(context: StagingContext, inside: Inside) -> int | None:
    assert inside.index is not None
    folder, name = os.path.split(inside.record.source_path(inside.index))
    with opened_beneath(context.origin, folder) as fd:
        return row_count_of(read_lock(name, dir_fd=fd)[: inside.entry.size])
