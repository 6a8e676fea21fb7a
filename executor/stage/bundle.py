"""Bundle stage: writes a tar, or one compressed file, from files of the origin, which are checked as they are read.

A bundle gets its name when it is complete, so a stop costs one bundle. What an earlier run completed is read once
more and stays if its files are as planned; that its bytes are those of this encoder is not asked for.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import xxhash

from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.kept_bundle import keep_bundle
from qa2pack.executor.stage.made import MadeFile
from qa2pack.executor.stage.planned_source import (
    Planned,
    SourceChangedError,
    as_change,
    changed_source,
    check_source,
    denied_source,
    planned_source,
)
from qa2pack.manifest.bundle.entry import Buffer
from qa2pack.manifest.bundle.form import Form, form_of
from qa2pack.manifest.bundle.write import write_bundle
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.inside import Inside, inside_of, newest_ns
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.fs.safe_open import LastFolder, opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Digest
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.manifest.verify.inside import look_into


@dataclass(frozen=True, slots=True)
class BundleBatch:
    """One bundle to write.

    Attributes:
        level: of the compression, 1 to 9.
        threads: how many of them may compress it; a worker of a cluster has perhaps fewer processors.
        is_repair: a source of the recorded content will do whatever its mtime is now; that of the record is written.
    """

    context: StagingContext
    task: BundleTask
    level: int
    threads: int
    is_repair: bool = False


@dataclass(frozen=True, slots=True)
class BundleResult:
    """The bundle as it was written; or problems, and then there is none."""

    path: bytes
    made: MadeFile | None = None
    problems: tuple[Problem, ...] = ()


def threads_for(byte_count: int, all_bytes: int, jobs: int) -> int:
    """Return how many threads compress a bundle: by its share of the bytes, because a long one is alone at the end.

    Args:
        all_bytes: in all bundles, which are written side by side.
        jobs: worker processes.
    """
    return max(1, jobs * byte_count // max(1, all_bytes))


def bundle_batch(batch: BundleBatch) -> BundleResult:
    """Write one bundle into staging, where it may be already.

    Raises:
        OSError: writing to staging fails, or a disk fails to read.
    """
    task, disk = batch.task, batch.context.disk
    target = join(batch.context.member, task.path)
    made = _found(task, target) if is_there(target) else keep_bundle(batch.context, task, target)
    if made is None:
        if is_there(target):
            disk.unlink(target)
        partial = join(batch.context.partial, xxhash.xxh3_64_hexdigest(target).encode())
        remove_tree(disk, partial)
        try:
            made = _written(batch, partial)
        except _ChangedError as error:
            disk.unlink(partial)
            problem = Problem(Code.ORIGIN_CHANGED, error.path, error.change.expected, error.change.found)
            return BundleResult(task.path, problems=(problem,))
        disk.rename(partial, target)
    return BundleResult(task.path, made)


class _ChangedError(Exception):
    """A source, with its absolute path, is not as planned."""

    def __init__(self, path: bytes, change: SourceChangedError) -> None:
        super().__init__(path, change)
        self.path = path
        self.change = change


def _found(task: BundleTask, path: bytes) -> MadeFile | None:
    """Return the bundle that an earlier run completed, or kept; None if it is not as planned."""
    with opened_file(path) as fd:
        seen, mtime_ns = look_into(fd, task), os.fstat(fd).st_mtime_ns
    return None if seen.differences else MadeFile(seen.size, seen.digest, seen.size - task.largest_bytes, mtime_ns)


def _form(task: BundleTask) -> Form:
    form = form_of(task.path)
    if form is None:
        raise ValueError(f"no name of a bundle: {task.path!r}")
    return form


def _written(batch: BundleBatch, path: bytes) -> MadeFile:
    disk, task = batch.context.disk, batch.task
    with created_file(disk, path) as file, closing(_Sources(batch.context, is_repair=batch.is_repair)) as sources:
        entries = ((inside.entry, sources.content(inside)) for inside in inside_of(task))
        threads = min(batch.threads, len(os.sched_getaffinity(0)))
        size, digest = write_bundle(file.write, _form(task), entries, level=batch.level, threads=threads)
        file.flush()  # a write after it would change the time
        disk.set_times(file.fileno(), newest_ns(task.records))
    return MadeFile(size, digest, size - task.largest_bytes, newest_ns(task.records))


class _Sources:
    """Reads the sources of a bundle one after the other; the last folder stays open."""

    def __init__(self, context: StagingContext, *, is_repair: bool = False) -> None:
        self._context = context
        self._is_repair = is_repair
        self._folders = LastFolder(context.origin)

    def close(self) -> None:
        """Close the folder that is open."""
        self._folders.close()

    def content(self, inside: Inside) -> Iterator[Buffer]:
        """Yield the content of one file; none for a folder. Each block is overwritten by the next one.

        Raises:
            _ChangedError: the file is not as planned; that may be seen only at its end.
        """
        if inside.index is None:
            return
        source = inside.record.source_path(inside.index)
        planned = planned_source(inside.record, inside.index)
        try:
            name, folder = self._opened(source)
            if is_table_lock(source):
                yield _lock(name, folder, planned)
            else:
                planned = _as_of_now(name, folder, planned) if self._is_repair else planned
                yield from _checked(name, folder, planned)
        except SourceChangedError as error:
            raise _ChangedError(os.path.join(self._context.origin, source), error) from error
        except PermissionError as error:
            raise denied_source(error, os.path.join(self._context.origin, source)) from error

    def _opened(self, source: bytes) -> tuple[bytes, int]:
        folder, name = os.path.split(source)
        try:
            return name, self._folders.fd_of(folder)
        except OSError as error:
            raise as_change("the folder", error) from error


def _as_of_now(name: bytes, dir_fd: int, planned: Planned) -> Planned:
    """Return what is planned of a source, with the mtime that it has now."""
    try:
        mtime_ns = os.lstat(name, dir_fd=dir_fd).st_mtime_ns
    except OSError as error:
        raise as_change("the file", error) from error
    return replace(planned, state=replace(planned.state, mtime_ns=mtime_ns))


def _checked(name: bytes, dir_fd: int, planned: Planned) -> Iterator[memoryview]:
    """Yield the content of a source, as many bytes as planned; raise SourceChangedError if it is not as planned.

    Each block is overwritten by the next one.
    """
    with ExitStack() as stack:
        try:
            fd = stack.enter_context(opened_file(name, dir_fd=dir_fd))
        except OSError as error:
            raise as_change("the file", error) from error
        check_source(planned, os.fstat(fd))
        state = xxhash.xxh3_128()
        for block in blocks_of(fd, planned.state.size):
            state.update(block)
            yield block
        status = os.fstat(fd)
        if status.st_size != planned.state.size or os.lseek(fd, 0, os.SEEK_CUR) != planned.state.size:
            raise changed_source(planned, status)
        if planned.digest not in (NO_DIGEST, state.digest()):
            raise SourceChangedError(Digest(planned.digest.hex(), "digest"), Digest(state.hexdigest(), "digest"))


def _lock(name: bytes, dir_fd: int, planned: Planned) -> bytes:
    """Return a `table.lock` of the planned size: what other programs wrote to it since is no content."""
    try:
        found = read_lock(name, dir_fd=dir_fd)
    except FileNotFoundError:
        found = b""
    except OSError as error:
        raise as_change("the file", error) from error
    return found[: planned.state.size].ljust(planned.state.size, b"\0")
