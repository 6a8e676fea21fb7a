"""Folder stage: stages the files of one folder by hard link, copy, placeholder or generated text.

A hard link is correct if it is the inode of a source that is as planned. A copy is correct if it has the planned size
and mtime, provided that the system was not restarted since; else its content is read. No file is overwritten in
place.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from typing import assert_never

import xxhash

from qa2pack.executor.io.disk import is_linked
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.stage.context import StagingContext, path_in_package
from qa2pack.executor.stage.copy import BIG_COPY_BYTES, copy_big, copy_small
from qa2pack.executor.stage.planned_source import (
    Planned,
    SourceChangedError,
    as_change,
    check_content,
    check_source,
    denied_source,
    planned_source,
    seen_source,
)
from qa2pack.manifest.actions import Action
from qa2pack.manifest.file_state import IDENTITY, state_of, untouched_of
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.fs.digest import digest_of_fd
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.safe_open import FILE_FLAGS, opened_beneath, opened_file, opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.table_lock import LOCK_BYTES, LOCK_NAME, is_table_lock

_ACTIONS = {int(action): action for action in Action}  # to call the class for each file takes six times as long
# By the table split, as a bundle, or out of one.
_MADE_LATER = frozenset((Action.SPLIT, Action.BUNDLE, Action.EXTRACT))


def copy_file(context: StagingContext, source: tuple[bytes, int], name: bytes, dir_fd: int, planned: Planned) -> None:
    """Copy one source, given by name and folder descriptor, to a name that does not exist in the open folder.

    Raises:
        SourceChangedError: the source cannot be opened or is not as planned.
    """
    try:
        fd = os.open(source[0], FILE_FLAGS, dir_fd=source[1])
    except OSError as error:
        raise as_change("the file", error) from error
    try:
        if planned.state.size < BIG_COPY_BYTES:
            copy_small(context.disk, fd, name, dir_fd, planned)
        else:
            target = os.path.join(os.readlink(b"/proc/self/fd/%d" % dir_fd), name)
            partial = join(context.partial, xxhash.xxh3_64_hexdigest(target).encode())
            context.disk.rename(copy_big(context.disk, fd, partial, planned), target)
    finally:
        os.close(fd)


def copy_lock(context: StagingContext, source: tuple[bytes, int], name: bytes, dir_fd: int, planned: Planned) -> None:
    """Make the package's own `table.lock` with at least the planned size, whatever the size of the origin's is now.

    A missing source counts as empty.

    Raises:
        SourceChangedError: the source is no file, or may not be read.
        OSError: a disk failed: the number of rows that the file tells would be lost.
    """
    try:
        found = read_lock(source[0], dir_fd=source[1])
    except FileNotFoundError:
        found = b""
    except OSError as error:
        raise as_change("the file", error) from error
    data = found.ljust(min(planned.state.size, LOCK_BYTES), b"\0")
    fd = context.disk.create(name, dir_fd=dir_fd, mode=planned.mode & 0o777 | 0o200)
    try:
        if data:
            context.disk.write(fd, data)
        context.disk.set_mode(fd, planned.mode & 0o777)
        context.disk.set_times(fd, planned.state.mtime_ns)
    finally:
        os.close(fd)


class FolderStage:
    """The staging of one record's files.

    Attributes:
        is_linkable: `stage_links` stages the files, apart from exceptions.
        linked_ctimes: by index, the ctimes of the linked sources after the link.
        problems: sources that are not as planned, absolute paths; their files are not staged.
        file_count, byte_count: count of staged files and bytes.
    """

    def __init__(self, context: StagingContext, record: FolderRecord, stack: ExitStack, *, is_new: bool) -> None:
        self._context = context
        self._record = record
        self._stack = stack
        self._target_fd = stack.enter_context(opened_folder(join(context.member, record.path)))
        self._there = frozenset() if is_new else frozenset(map(os.fsencode, os.listdir(self._target_fd)))
        self._source_fds: dict[tuple[bytes, bytes], int] = {}
        self._own_links: dict[int, int] = {}  # inode to its ctime after our link: two names may share an inode
        kinds = {*record.actions} - ({Action.COPY} if LOCK_NAME in record.names else set())
        is_linking = kinds == {Action.LINK} or (kinds == {Action.MOVE} and record.device == context.device)
        self.is_linkable = is_linking and not (self._there or record.source_names)
        self.linked_ctimes: dict[int, int] = {}
        self.problems: list[Problem] = []
        self.file_count = 0
        self.byte_count = 0

    def sweep(self) -> None:
        """Remove files of an earlier run that are not planned."""
        for name in sorted(self._there - set(self._record.names) - set(self._record.folders)):
            remove_tree(self._context.disk, name, dir_fd=self._target_fd)

    def stage_links(self, start: int) -> int:
        """Hard-link sources from index `start` up to the first that is not exactly as planned, and return its index.

        The loop is not cut into functions: a call per file would take as long as the link itself. `stage` handles
        sources that are not exactly as planned, and all other actions.
        """
        record, target_fd, link = self._record, self._target_fd, self._context.disk.link
        if start == len(record.names) or not self.is_linkable:
            return start
        try:
            _, source_fd = self._source(start)
        except SourceChangedError:
            return start
        names = record.names
        for index in range(start, len(names)):  # by index: slicing off the finished ones would be quadratic
            if record.actions[index] == Action.COPY:
                return index
            name, planned = names[index], record.untouched(index)
            try:
                source = os.lstat(name, dir_fd=source_fd)
            except OSError:
                return index
            if untouched_of(source) != planned or not stat.S_ISREG(source.st_mode):
                return index
            try:
                link(name, name, source_fd=source_fd, dir_fd=target_fd)
            except OSError as error:
                if self._is_for_stage(index, error):
                    return index
                raise
            staged = os.lstat(name, dir_fd=target_fd)
            if untouched_of(staged)[IDENTITY] != planned[IDENTITY]:
                self._context.disk.unlink(name, dir_fd=target_fd)
                return index
            self._own_links[staged.st_ino] = self.linked_ctimes[index] = staged.st_ctime_ns
            self.file_count += 1
            self.byte_count += staged.st_size
        return len(record.names)

    def _is_for_stage(self, index: int, error: OSError) -> bool:
        """Return whether `stage` may succeed for a link that failed here, or report its source as changed."""
        if error.errno == errno.EXDEV:
            return self._record.actions[index] == Action.MOVE  # which may copy
        try:
            seen_source(self._source(index), planned_source(self._record, index))
        except SourceChangedError:
            return True
        return False

    def stage(self, indexes: Sequence[int]) -> None:
        """Stage files; add a problem for each whose source is not as planned."""
        for index, problem in zip(indexes, each(self._make, indexes), strict=True):
            action = self._record.actions[index]
            if problem:
                self.problems.append(problem)
            elif action not in _MADE_LATER:
                self.file_count += 1
                self.byte_count += 0 if action == Action.DUMMY else self._record.sizes[index]

    def _make(self, index: int) -> Problem | None:
        """Stage one file; return a problem if its source is not as planned. Several may be made at once."""
        action = _ACTIONS[self._record.actions[index]]
        try:
            match action:
                case Action.LINK:
                    self._link(index, self._source(index))
                case Action.CARRY:
                    self._link(index, self._carried(index))
                case Action.COPY | Action.KEEP:
                    self._copy(index)
                case Action.MOVE:
                    self._move(index)
                case Action.DUMMY:
                    self._write(index, b"")
                case Action.WRITE:
                    path = join(self._record.path, self._record.names[index])
                    self._write(index, self._context.texts.get(path, b""))
                case Action.SPLIT | Action.BUNDLE | Action.EXTRACT:
                    pass
                case _:
                    assert_never(action)
        except SourceChangedError as error:
            return Problem(Code.ORIGIN_CHANGED, self._path(index), error.expected, error.found)
        except PermissionError as error:  # what is staged is our own
            raise denied_source(error, self._path(index)) from error
        return None

    def _path(self, index: int) -> bytes:
        """Return the absolute path of a source."""
        return os.path.join(self._context.origin, self._record.source_path(index))

    def _link(self, index: int, source: tuple[bytes, int]) -> None:
        name, planned = self._record.names[index], planned_source(self._record, index)
        if self._record.actions[index] == Action.LINK and is_table_lock(self._record.source_path(index)):
            self._link_lock(index, source)
            return
        status, is_untouched = seen_source(source, planned)
        staged = self._staged(name)
        if staged is not None and staged.st_ino != status.st_ino:
            self._context.disk.unlink(name, dir_fd=self._target_fd)
            staged = None
        if staged is None:
            if not is_untouched and not self._is_own_doing(status, planned):
                check_content(source, planned)
            try:
                self._context.disk.link(source[0], name, source_fd=source[1], dir_fd=self._target_fd)
            except OSError:
                seen_source(source, planned)  # if it is gone or changed since the check, report that
                raise
            staged = os.lstat(name, dir_fd=self._target_fd)
        check_source(planned, staged)
        if staged.st_ino != status.st_ino:
            # Another file was put there before it was linked; or linking gave the file a new number, as an overlay
            # does when it copies a file with several names out of a lower layer. The content tells.
            if planned.digest == NO_DIGEST:
                raise SourceChangedError(state_of(status), state_of(staged))
            check_content((name, self._target_fd), planned)
        self._own_links[staged.st_ino] = staged.st_ctime_ns
        self.linked_ctimes[index] = staged.st_ctime_ns

    def _is_own_doing(self, source: os.stat_result, planned: Planned) -> bool:
        """Return whether the ctime of a source differs from the plan only because of our own hard link."""
        found = state_of(source)
        return found.identity == planned.state.identity and found.ctime_ns == self._own_links.get(found.inode)

    def _link_lock(self, index: int, source: tuple[bytes, int]) -> None:
        """Link a `table.lock` unchecked: every program that opened the table since the plan has written to it."""
        name = self._record.names[index]
        if self._staged(name) is not None:
            self._context.disk.unlink(name, dir_fd=self._target_fd)
        try:
            is_file = stat.S_ISREG(os.lstat(source[0], dir_fd=source[1]).st_mode)
        except FileNotFoundError:
            is_file = False
        if is_file:
            self._context.disk.link(source[0], name, source_fd=source[1], dir_fd=self._target_fd)
            self.linked_ctimes[index] = os.lstat(name, dir_fd=self._target_fd).st_ctime_ns
        else:
            copy_lock(self._context, source, name, self._target_fd, planned_source(self._record, index))

    def _move(self, index: int) -> None:
        """Link, or copy across file systems; the origin is changed only after the package is published.

        The device number of the source is read now, because it may differ from the planned one.
        """
        source = self._source(index)
        if os.fstat(source[1]).st_dev == self._context.device:
            try:
                self._link(index, source)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self._copy(index)

    def _copy(self, index: int) -> None:
        name, planned = self._record.names[index], planned_source(self._record, index)
        staged = self._staged(name)
        if staged is not None:
            if self._is_right(name, staged, planned):
                return
            self._context.disk.unlink(name, dir_fd=self._target_fd)
        if self._record.actions[index] == Action.KEEP and self._keep(index, planned):
            return
        copy = copy_lock if is_table_lock(self._record.source_path(index)) else copy_file
        copy(self._context, self._source(index), name, self._target_fd, planned)

    def _keep(self, index: int, planned: Planned) -> bool:
        """Hard-link the unchanged file of the replaced package; False if changed, or where it cannot be linked."""
        name = self._record.names[index]
        path = join(self._context.folder, join(self._record.path, name))
        try:
            old_name, fd = self._opened(self._context.package, path)
            status = os.lstat(old_name, dir_fd=fd)
        except (SourceChangedError, FileNotFoundError, PermissionError):
            return False
        if not stat.S_ISREG(status.st_mode) or state_of(status).written != planned.state.written:
            return False
        return is_linked(self._context.disk, old_name, name, source_fd=fd, dir_fd=self._target_fd)

    def _is_right(self, name: bytes, staged: os.stat_result, planned: Planned) -> bool:
        if state_of(staged).written != planned.state.written:
            return False
        if self._context.is_trusting:
            return True
        with opened_file(name, dir_fd=self._target_fd) as fd:
            return digest_of_fd(fd, staged.st_size) == planned.digest

    def _write(self, index: int, data: bytes) -> None:
        disk, name = self._context.disk, self._record.names[index]
        staged = self._staged(name)
        if staged is not None:
            if staged.st_size == len(data) == 0:
                return
            disk.unlink(name, dir_fd=self._target_fd)
        fd = disk.create(name, dir_fd=self._target_fd)
        try:
            if data:
                disk.write(fd, data)
                disk.set_times(fd, self._record.mtimes[index])
        finally:
            os.close(fd)

    def _staged(self, name: bytes) -> os.stat_result | None:
        return os.lstat(name, dir_fd=self._target_fd) if name in self._there else None

    def _source(self, index: int) -> tuple[bytes, int]:
        """Return name and folder descriptor of a source."""
        if self._record.source_names:
            return self._opened(self._context.origin, self._record.source_path(index))
        return self._record.names[index], self._folder(self._context.origin, self._record.source)

    def _carried(self, index: int) -> tuple[bytes, int]:
        """Return name and folder descriptor of the file in the package to which the origin's symlink leads."""
        return self._opened(self._context.package, path_in_package(self._context, self._record.source_path(index)))

    def _opened(self, root: bytes, path: bytes) -> tuple[bytes, int]:
        """Return name and folder descriptor of a file."""
        folder, name = os.path.split(path)
        return name, self._folder(root, folder)

    def _folder(self, root: bytes, folder: bytes) -> int:
        """Return the descriptor of a folder; each is opened once."""
        fd = self._source_fds.get((root, folder))
        if fd is None:
            try:
                fd = self._stack.enter_context(opened_beneath(root, folder))
            except OSError as error:
                raise as_change("the folder", error) from error
            self._source_fds[root, folder] = fd
        return fd
