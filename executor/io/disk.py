"""Disk: the one interface through which the executor changes a disk (create, link, rename, write, sync, remove).

Every mutating call goes through a `Disk`, so that a test can count the calls, make any of them fail, or stop before
or after it. Each method is one system call or little more, raises OSError as the system does, and decides nothing.
Bulk work passes an open folder descriptor.
"""

import ctypes
import errno
import fcntl
import os
from contextlib import suppress

from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.fs.presence import is_there

_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # errors of file systems without RENAME_EXCHANGE
# Errors of file systems that have no hard links, or on which they are forbidden.
CANNOT_LINK = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)
# Errors of hard links after which a copy is made: mounts without links may say EIO (rclone), and of a broken disk the
# copy says so; from a subvolume no link leads out.
_COPIED_INSTEAD = (errno.EIO, errno.EXDEV, *CANNOT_LINK)
# The answers of file systems without access rights of their own, and of those that give all files to one user.
_NO_RIGHTS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_FICLONE = 0x40049409
TEMPORARY = b".new"  # suffix of a new file that is then renamed over the old one


class Disk:
    """The real disk; has no state, so it can be sent to any process."""

    def mkdir(self, path: bytes, mode: int = 0o777) -> None:
        """Make a folder."""
        os.mkdir(path, mode)

    def rmdir(self, path: bytes, *, dir_fd: int | None = None) -> None:
        """Remove an empty folder."""
        os.rmdir(path, dir_fd=dir_fd)

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        """Make a hard link to the source itself, not to the target of a symlink."""
        os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=dir_fd, follow_symlinks=False)

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
        """Make a symlink to the target."""
        os.symlink(target, name, dir_fd=dir_fd)

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        """Create an empty file, which must not exist, and return a descriptor for reading and writing."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=dir_fd)

    def reopen(self, path: bytes) -> int:
        """Return a descriptor for reading and writing an existing file of our own."""
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        """Write all of the data at the descriptor's position."""
        done = os.write(fd, data)
        while done < len(data):
            done += os.write(fd, memoryview(data)[done:])

    def truncate(self, fd: int, size: int) -> None:
        """Set the size of the file."""
        os.ftruncate(fd, size)

    def clone(self, source_fd: int, fd: int) -> bool:
        """Let the file share the blocks of the source; False where the file system cannot."""
        try:
            fcntl.ioctl(fd, _FICLONE, source_fd)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.ENOSYS):
                return False
            raise
        return True

    def set_times(self, fd: int, mtime_ns: int) -> None:
        """Set access and modification time of the open file."""
        os.utime(fd, ns=(mtime_ns, mtime_ns))

    def set_mode(self, fd: int, mode: int) -> None:
        """Set the permission bits of the open file, where the disk has such."""
        try:
            os.fchmod(fd, mode)
        except OSError as error:
            if error.errno not in _NO_RIGHTS:
                raise

    def unlink(self, path: bytes, *, dir_fd: int | None = None) -> None:
        """Remove a file or symlink."""
        os.unlink(path, dir_fd=dir_fd)

    def rename(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        """Rename without replacing (RENAME_NOREPLACE): EEXIST if the target exists."""
        _renameat2(source, target, _RENAME_NOREPLACE, dir_fd)

    def replace(self, source: bytes, target: bytes, *, dir_fd: int | None = None) -> None:
        """Rename a file over the target; both in the same folder if a descriptor is given."""
        os.replace(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        """Exchange two paths in one step (RENAME_EXCHANGE); one of `CANNOT_EXCHANGE` where the file system cannot."""
        _renameat2(one, other, _RENAME_EXCHANGE, dir_fd)

    def fsync(self, fd: int) -> None:
        """Sync the open file or folder to the disk."""
        os.fsync(fd)

    def syncfs(self, fd: int) -> None:
        """Sync the whole file system of the descriptor to the disk."""
        if _libc.syncfs(fd) != 0:
            raise _error()

    def split_table(self, table: bytes, spec: SplitSpec) -> None:
        """Let casacore split the staged table; counts as one change."""
        from qa2pack.executor.casa.split import split_staged_table  # slow to import, and most packages never need it

        split_staged_table(table, spec)

    def append(self, fd: int, data: bytes) -> None:
        """Write all of the data to a file that was opened for appending."""
        self.write(fd, data)


def _renameat2(source: bytes, target: bytes, flags: int, dir_fd: int | None) -> None:
    folder = _AT_FDCWD if dir_fd is None else dir_fd
    if _libc.renameat2(folder, source, folder, target, ctypes.c_uint(flags)) == 0:
        return
    error = _error(source, target)
    if flags != _RENAME_NOREPLACE or error.errno not in (errno.EINVAL, errno.ENOSYS):
        raise error
    # This file system (some network ones) has no rename flags: check, then rename; no other process uses staging,
    # and the lock is held.
    with suppress(FileNotFoundError):
        os.lstat(target, dir_fd=dir_fd)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
    os.rename(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)


def _error(source: bytes | None = None, target: bytes | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), source, None, target)


def is_linked(disk: Disk, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> bool:
    """Make a hard link; return False where there are none, and a copy is to be made instead."""
    try:
        disk.link(source, name, source_fd=source_fd, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in _COPIED_INSTEAD:
            raise
        return False
    return True


def link_into(disk: Disk, folder: bytes, path: bytes, name: bytes) -> None:
    """Hard-link a file into a folder where the name does not exist; copy it where the disk has no hard links.

    The caller syncs the folder; the content of a copy is on disk when this returns.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not is_linked(disk, path, name, source_fd=None, dir_fd=fd):
            _copy_into(disk, fd, path, name)
    finally:
        os.close(fd)


def _copy_into(disk: Disk, folder: int, path: bytes, name: bytes) -> None:
    """Copy a file with its mtime, whole or not at all; a leftover of a stopped copy is replaced."""
    temporary = name + TEMPORARY
    with suppress(FileNotFoundError):
        disk.unlink(temporary, dir_fd=folder)
    with open(path, "rb", opener=lambda each, flags: os.open(each, flags | os.O_NOFOLLOW | os.O_CLOEXEC)) as source:
        status = os.fstat(source.fileno())
        target = disk.create(temporary, dir_fd=folder, mode=status.st_mode & 0o777)
        try:
            while block := source.read(1 << 20):
                disk.write(target, block)
            disk.set_times(target, status.st_mtime_ns)
            disk.fsync(target)
        finally:
            os.close(target)
    disk.rename(temporary, name, dir_fd=folder)


def sync_folder(disk: Disk, path: bytes) -> None:
    """Sync the entries of a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(disk: Disk, path: bytes) -> None:
    """Sync the file system that holds the folder to the disk, in one call for any number of files."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.syncfs(fd)
    finally:
        os.close(fd)


def write_durably(disk: Disk, path: bytes, data: bytes) -> None:
    """Write a file under a temporary name and rename it over `path`; it is on disk when this returns."""
    temporary = path + TEMPORARY
    if is_there(temporary):
        disk.unlink(temporary)
    fd = disk.create(temporary)
    try:
        disk.write(fd, data)
        disk.fsync(fd)
    finally:
        os.close(fd)
    disk.replace(temporary, path)
    sync_folder(disk, os.path.dirname(path))
