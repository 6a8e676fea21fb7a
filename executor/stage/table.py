"""Table stage: stages a measurement set that is packaged with one data column.

The unchanged files were staged before, like any others. Here the files that the split rewrites, and the headers that
it needs, are copied; then casacore drops the columns; then digests and sizes of the result are read. The work is
idempotent, because it begins with new copies and never writes to a linked file.
"""

import os
import stat
from contextlib import ExitStack
from dataclasses import replace

from qa2pack.executor.stage.context import StagingContext, path_in_package
from qa2pack.executor.stage.folder import copy_file, copy_lock
from qa2pack.executor.stage.planned_source import SourceChangedError, as_change, denied_source, planned_source
from qa2pack.manifest.actions import Action
from qa2pack.manifest.casa.column_split import OtherFilesError
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.digest import digest_of_fd
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file, opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.table_lock import is_table_lock


@dataclass(frozen=True, slots=True)
class SplitBatch:
    """One table to split.

    Attributes:
        task: the table split of the plan.
        results: encoded record, as planned, of the files that the split makes.
    """

    context: StagingContext
    task: SplitTask
    results: bytes


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Result of a split: the encoded record of the files; or problems, and then the files are undefined."""

    path: bytes
    blob: bytes = b""
    problems: tuple[Problem, ...] = ()


def split_batch(batch: SplitBatch) -> SplitResult:
    """Stage one table's rewritten files and split it.

    Raises:
        OSError: writing to staging fails.
    """
    problems = _stage_sources(batch)
    if problems:
        return SplitResult(batch.task.path, problems=tuple(problems))
    table = join(batch.context.member, batch.task.path)
    try:
        batch.context.disk.split_table(table, batch.task.spec)
    except OtherFilesError as error:
        origin = os.path.join(batch.context.origin, batch.task.source)
        problem = Problem(Code.SPLIT_DIFFERS, origin, error.expected, error.found)
        return SplitResult(batch.task.path, problems=(problem,))
    return SplitResult(batch.task.path, encode_record(_measured(batch, table)))


def _stage_sources(batch: SplitBatch) -> list[Problem]:
    before = decode_record(batch.task.before)
    disk = batch.context.disk
    problems: list[Problem] = []
    with opened_folder(join(batch.context.member, batch.task.path)) as fd:
        stale = {name for name, _ in batch.task.spec.sizes} | set(before.names)
        for name in sorted(stale & set(map(os.fsencode, os.listdir(fd)))):
            disk.unlink(name, dir_fd=fd)
        for index in range(len(before.names)):
            source = os.path.join(batch.context.origin, before.source_path(index))
            try:
                _copy_source(batch.context, before, index, fd)
            except PermissionError as error:
                raise denied_source(error, source) from error
            except SourceChangedError as error:
                problems.append(Problem(Code.ORIGIN_CHANGED, source, error.expected, error.found))
    return problems


def _copy_source(context: StagingContext, before: FolderRecord, index: int, dir_fd: int) -> None:
    is_carried = before.actions[index] == Action.CARRY  # it was moved into the package before
    source = before.source_path(index)
    folder, name = os.path.split(path_in_package(context, source) if is_carried else source)
    with ExitStack() as stack:
        try:
            source_fd = stack.enter_context(opened_beneath(context.package if is_carried else context.origin, folder))
        except OSError as error:
            raise as_change("the folder", error) from error
        planned = planned_source(before, index)
        writable = replace(planned, mode=planned.mode | stat.S_IRUSR | stat.S_IWUSR)  # casacore must write to it
        copy = copy_lock if is_table_lock(before.names[index]) else copy_file
        copy(context, (name, source_fd), before.names[index], dir_fd, writable)


def _measured(batch: SplitBatch, table: bytes) -> FolderRecord:
    """Return the record of the files after the split; set their modes and mtimes as planned."""
    record = decode_record(batch.results)
    sizes, digests = [], []
    with opened_folder(table) as dir_fd:
        for index, name in enumerate(record.names):
            with opened_file(name, dir_fd=dir_fd) as fd:
                size = os.fstat(fd).st_size
                digests.append(digest_of_fd(fd, size))
                sizes.append(size)
                batch.context.disk.set_mode(fd, record.modes[index] & 0o777)
                batch.context.disk.set_times(fd, record.mtimes[index])
    return replace(record, sizes=sizes, digests=b"".join(digests))
