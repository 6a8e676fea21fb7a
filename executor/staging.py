"""Staging: making the planned files in a place where nobody sees them.

Work on a batch of folder records can be done again at any time: what is already right stays, what is not is made
anew. A link is right if it is the planned inode; a copy is right if it has the planned size and mtime, provided
that nothing can have been lost since (a restart of the system), else its content is read. Nothing is ever replaced
in place.
"""

import errno
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import assert_never

import xxhash

from executor.copying import (
    BIG_COPY_BYTES,
    Planned,
    SourceChangedError,
    check_source,
    copy_big,
    copy_small,
    digest_of_source,
)
from executor.disk import Disk
from executor.removing import remove_tree
from manifest.digest import digest_of_fd
from manifest.folder import opened_beneath, opened_file, opened_folder
from manifest.path import is_within, join, shown
from manifest.problem import Code, Problem
from manifest.record import Action, FolderRecord, decode_record, encode_record

# Without waiting: a pipe that was put in the place of a file would keep us for ever.
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is, for all batches of a transaction.

    Attributes:
        origin: what relative sources start from.
        package: the package as it is, resolved; carried files are there.
        device: the file system of the staged member.
        tree: the staged package.
        member: folder of the staged member.
        partial: folder for unfinished copies of big files, on the same file system.
        readme: text for the WRITE action.
        is_trusting: staged copies with the right size and mtime are right; False after a restart of the system.
    """

    disk: Disk
    origin: bytes
    package: bytes
    device: int
    tree: bytes
    member: bytes
    partial: bytes
    readme: bytes
    is_trusting: bool


@dataclass(frozen=True, slots=True)
class StageBatch:
    """Encoded records of folders to stage.

    Attributes:
        big_bytes: files of at least this size are left to batches of their own.
        is_part: the one record in it lists only some files of its folder.
    """

    site: Site
    blobs: tuple[bytes, ...]
    big_bytes: int
    is_part: bool = False


@dataclass(slots=True)
class StageResult:
    """What became of a batch.

    Attributes:
        blobs: (path, encoded record) of every folder, with the ctimes of linked sources as they are now.
        problems: sources that are not as planned, paths absolute; what belongs to them is not staged.
        more: the big files that were left.
    """

    blobs: list[tuple[bytes, bytes]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    more: list[StageBatch] = field(default_factory=list)
    file_count: int = 0
    byte_count: int = 0


def stage_batch(batch: StageBatch) -> StageResult:
    """Stage the folders of a batch.

    Raises:
        OSError: the staging side fails: no space, no permission, a failing disk.
    """
    result = StageResult()
    for blob in batch.blobs:
        record = decode_record(blob)
        is_new = make_folders(batch.site.disk, batch.site.member, record.path)
        with ExitStack() as stack:
            folder = _Folder(batch.site, record, stack, result, is_new=is_new)
            if not (is_new or batch.is_part):
                folder.sweep()
            for index in range(len(record.names)):
                if (
                    is_copied(record, index, batch.site.device)
                    and record.sizes[index] >= batch.big_bytes
                    and not batch.is_part
                ):
                    part = encode_record(record.selected([index]))
                    result.more.append(StageBatch(batch.site, (part,), batch.big_bytes, is_part=True))
                else:
                    folder.stage(index)
            linked = folder.linked_ctimes
        if batch.is_part:
            continue
        if linked:
            ctimes = [linked.get(index, ctime) for index, ctime in enumerate(record.ctimes)]
            record = replace(record, ctimes=ctimes)
        result.blobs.append((record.path, encode_record(record) if linked else blob))
    return result


def make_folders(disk: Disk, root: bytes, path: bytes) -> bool:
    """Make a folder below `root` and what is missing above it; others may be doing the same.

    Returns:
        True if the folder was not there, so that nothing is in it.
    """
    folder = join(root, path)
    try:
        disk.mkdir(folder)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise
        return False
    except FileNotFoundError:
        if not path:
            raise
        make_folders(disk, root, path.rpartition(b"/")[0])
        return make_folders(disk, root, path)
    return True


def copy_file(site: Site, source: tuple[bytes, int], name: bytes, dir_fd: int, planned: Planned) -> None:
    """Copy one source, given by name and folder descriptor, to a name that does not exist in the open folder.

    Raises:
        SourceChangedError: the source cannot be opened or is not as planned.
    """
    try:
        fd = os.open(source[0], _SOURCE, dir_fd=source[1])
    except OSError as error:
        raise SourceChangedError("the file", error.strerror or str(error)) from error
    try:
        if planned.size < BIG_COPY_BYTES:
            copy_small(site.disk, fd, name, dir_fd, planned)
        else:
            target = os.path.join(os.readlink(b"/proc/self/fd/%d" % dir_fd), name)
            partial = join(site.partial, xxhash.xxh3_64_hexdigest(target).encode())
            site.disk.rename(copy_big(site.disk, fd, partial, planned), target)
    finally:
        os.close(fd)


class _Folder:
    """The staging of one record's files."""

    def __init__(
        self, site: Site, record: FolderRecord, stack: ExitStack, result: StageResult, *, is_new: bool
    ) -> None:
        self._site = site
        self._record = record
        self._stack = stack
        self._result = result
        self._target_fd = stack.enter_context(opened_folder(join(site.member, record.path)))
        self._there = frozenset() if is_new else frozenset(map(os.fsencode, os.listdir(self._target_fd)))
        self._source_fds: dict[tuple[bytes, bytes], int] = {}
        self._own_links: dict[int, int] = {}  # inode to its ctime after we linked it: two names may share one
        self.linked_ctimes: dict[int, int] = {}

    def sweep(self) -> None:
        """Remove what an earlier run left that is not planned."""
        for name in sorted(self._there - set(self._record.names) - set(self._record.folders)):
            remove_tree(self._site.disk, name, dir_fd=self._target_fd)

    def stage(self, index: int) -> None:
        """Stage one file, or add a problem if its source is not as planned."""
        action = Action(self._record.actions[index])
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
                    self._write(index, self._site.readme)
                case Action.SPLIT:
                    return  # made by the table split, when the rest of the table is there
                case _:
                    assert_never(action)
        except SourceChangedError as error:
            path = os.path.join(self._site.origin, self._record.source_path(index))
            self._result.problems.append(Problem(Code.ORIGIN_CHANGED, path, error.expected, error.found))
            return
        self._result.file_count += 1
        self._result.byte_count += 0 if action is Action.DUMMY else self._record.sizes[index]

    def _link(self, index: int, source: tuple[bytes, int]) -> None:
        name, planned = self._record.names[index], planned_source(self._record, index)
        status, is_untouched = _seen_source(source, planned)
        staged = self._staged(name)
        if staged is not None and staged.st_ino != planned.inode:
            self._site.disk.unlink(name, dir_fd=self._target_fd)
            staged = None
        if staged is None:
            if not is_untouched and status.st_ctime_ns != self._own_links.get(planned.inode):
                _check_content(source, planned)
            try:
                self._site.disk.link(source[0], name, source_fd=source[1], dir_fd=self._target_fd)
            except OSError:
                _seen_source(source, planned)  # gone or changed since it was looked at: then that is what to tell
                raise
            staged = os.lstat(name, dir_fd=self._target_fd)
        check_source(planned, staged)
        self._own_links[planned.inode] = staged.st_ctime_ns
        self.linked_ctimes[index] = staged.st_ctime_ns

    def _move(self, index: int) -> None:
        """Link, or copy across file systems; the origin is touched only when the package is published."""
        if not is_copied(self._record, index, self._site.device):
            try:
                self._link(index, self._source(index))
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
            self._site.disk.unlink(name, dir_fd=self._target_fd)
        if self._record.actions[index] == Action.KEEP and self._keep(index, planned):
            return
        copy_file(self._site, self._source(index), name, self._target_fd, planned)

    def _keep(self, index: int, planned: Planned) -> bool:
        """Link the same file over from the package that is being replaced; False if it is not as it was left."""
        name = self._record.names[index]
        folder = self._site.member.removeprefix(self._site.tree + b"/")
        try:
            old_name, fd = self._opened(self._site.package, b"/".join((folder, join(self._record.path, name))))
            status = os.lstat(old_name, dir_fd=fd)
        except (SourceChangedError, FileNotFoundError):
            return False
        if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (
            planned.size,
            planned.mtime_ns,
        ):
            return False
        self._site.disk.link(old_name, name, source_fd=fd, dir_fd=self._target_fd)
        return True

    def _is_right(self, name: bytes, staged: os.stat_result, planned: Planned) -> bool:
        if (staged.st_size, staged.st_mtime_ns) != (planned.size, planned.mtime_ns):
            return False
        if self._site.is_trusting:
            return True
        with opened_file(name, dir_fd=self._target_fd) as fd:
            return digest_of_fd(fd, staged.st_size) == planned.digest

    def _write(self, index: int, data: bytes) -> None:
        disk, name = self._site.disk, self._record.names[index]
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
        return self._opened(self._site.origin, self._record.source_path(index))

    def _carried(self, index: int) -> tuple[bytes, int]:
        """Return name and folder descriptor of the file in the package that the origin's link leads to."""
        return self._opened(self._site.package, path_in_package(self._site, self._record.source_path(index)))

    def _opened(self, root: bytes, path: bytes) -> tuple[bytes, int]:
        """Return name and folder descriptor of a file; each folder is opened once."""
        folder, name = os.path.split(path)
        fd = self._source_fds.get((root, folder))
        if fd is None:
            try:
                fd = self._stack.enter_context(opened_beneath(root, folder))
            except OSError as error:
                raise SourceChangedError("the folder", error.strerror or str(error)) from error
            self._source_fds[root, folder] = fd
        return name, fd


def path_in_package(site: Site, link: bytes) -> bytes:
    """Return the path, relative to the package, of the file that a link of the origin leads to since it was moved.

    Raises:
        SourceChangedError: the link leads elsewhere.
    """
    target = os.path.realpath(os.path.join(site.origin, link))
    if not is_within(target, site.package) or target == site.package:
        raise SourceChangedError("a link into the package", f"a link to {shown(target)}")
    return target[len(site.package) + 1 :]


def _seen_source(source: tuple[bytes, int], planned: Planned) -> tuple[os.stat_result, bool]:
    """Return the status of a source that is as planned, and whether also its ctime is.

    Raises:
        SourceChangedError: it is not there or not as planned.
    """
    name, dir_fd = source
    try:
        status = os.lstat(name, dir_fd=dir_fd)
    except OSError as error:
        raise SourceChangedError("the file", error.strerror or str(error)) from error
    return status, check_source(planned, status)


def _check_content(source: tuple[bytes, int], planned: Planned) -> None:
    """Read a source whose ctime alone is not as planned: linked by others, or changed by a forger."""
    with opened_file(source[0], dir_fd=source[1]) as fd:
        digest = digest_of_source(fd)
    if digest != planned.digest:
        raise SourceChangedError(f"digest {planned.digest.hex()}", f"digest {digest.hex()}")


def is_copied(record: FolderRecord, index: int, device: int) -> bool:
    """Tell whether the content of the file is read and written; `device` is the package's file system."""
    action = record.actions[index]
    return action in (Action.COPY, Action.KEEP) or (action == Action.MOVE and record.device != device)


def planned_source(record: FolderRecord, index: int) -> Planned:
    """Return what the record says of the source of the file at `index`."""
    return Planned(
        size=record.sizes[index],
        mtime_ns=record.mtimes[index],
        ctime_ns=record.ctimes[index],
        inode=record.inodes[index],
        mode=record.modes[index],
        digest=record.digest(index),
    )
