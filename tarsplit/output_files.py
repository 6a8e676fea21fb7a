"""Write output files of a delivery: temporary name, fsync, rename. The only module of `tarsplit` that changes a disk.

A file whose name does not end in `.part` is complete and synced. Errors of the system are raised as OSError.
"""

import ctypes
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from qa2pack.manifest.fs.control_file import control_fd
from qa2pack.manifest.fs.named_errors import naming
from qa2pack.manifest.fs.presence import is_folder, is_plain_folder
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.tarsplit.naming import PART

_libc = ctypes.CDLL(None, use_errno=True)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class OutputBusyError(PackError):
    """Another process writes the same delivery.

    Attributes:
        path: of the file that the other process has locked.
    """

    def __init__(self, path: bytes) -> None:
        super().__init__(f"another process writes {os.fsdecode(path)}")
        self.path = path
        self.problems = (Problem(Code.OUTPUT_BUSY, path),)


def make_folder(path: bytes) -> None:
    """Make the output folder and its missing parents, and sync their names."""
    if is_folder(path):
        return
    above = os.path.dirname(path)
    make_folder(above)
    with suppress(FileExistsError):  # another run made it at the same time; if it is no folder, its first use fails
        os.mkdir(path)
    sync_folder(above)


def make_folder_below(root: bytes, path: bytes) -> None:
    """Make a folder, its parents, and the folder that they are in; a symlink in any part is an error."""
    with suppress(FileExistsError):
        os.mkdir(root)
    made = b""
    for part in filter(None, path.split(b"/")):
        with suppress(FileExistsError), opened_beneath(root, made) as fd:
            os.mkdir(part, dir_fd=fd)
        made = join(made, part)


@contextmanager
def new_file_below(root: bytes, folder: bytes, name: bytes, mode: int) -> Iterator[int]:
    """Yield the descriptor of a new file in a folder below another one; it is not synced.

    One that is there is removed, never written into: it may have another name elsewhere, as `cp -al` gives it.

    Args:
        folder: relative to the root.
    """
    with opened_beneath(root, folder) as dir_fd, naming(os.path.join(root, folder, name)):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=dir_fd)
        fd = os.open(name, _NEW | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=dir_fd)
        try:
            yield fd
        finally:
            os.close(fd)


def remove_below(root: bytes, folder: bytes, name: bytes) -> None:
    """Remove a file in a folder below another one, if it exists, and each folder that has nothing else in it."""
    remove(os.path.join(root, folder, name))
    while folder:
        try:
            os.rmdir(join(root, folder))
        except OSError:  # it has something else in it; or it was not made
            return
        folder = os.path.dirname(folder)


def publish_into(part: bytes, path: bytes, *, last: bytes) -> None:
    """Sync all that is in a folder, and move it into another one, if it exists; that is synced, too.

    Args:
        last: what is called so, or so and a suffix, is moved when all else is on the disk.
    """
    if not is_plain_folder(part):
        return
    _sync_all(part)
    for name in sorted(os.listdir(part), key=lambda name: (name.startswith(last), name)):
        if name.startswith(last):
            sync_folder(path)
        _move(join(part, name), join(path, name))
    sync_folder(path)
    os.rmdir(part)
    sync_folder(os.path.dirname(path))


def _move(source: bytes, target: bytes) -> None:
    """Rename a file or folder; what is in a folder that is there is moved into it one by one."""
    if not (is_plain_folder(source) and is_plain_folder(target)):
        os.rename(source, target)
        return
    for name in os.listdir(source):
        _move(join(source, name), join(target, name))
    sync_folder(target)
    os.rmdir(source)


def _sync_all(path: bytes) -> None:
    """Sync all files of the disk that a folder is on: one call for any number of them."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)


def publish_tree(path: bytes) -> None:
    """Sync all that is in the folder `path.part`, and rename it to its final name; that is synced, too."""
    _sync_all(path + PART)
    os.rename(path + PART, path)
    sync_folder(os.path.dirname(path))


def withdraw_tree(path: bytes) -> None:
    """Take the final name from a folder that is not complete any more."""
    os.rename(path, path + PART)
    sync_folder(os.path.dirname(path))


@contextmanager
def new_part(path: bytes) -> Iterator[int]:
    """Yield the descriptor of an empty file at `path.part`, truncated if it existed; removed if the block raises."""
    fd = control_fd(path + PART, _NEW)
    try:
        with naming(path):
            yield fd
    except BaseException:
        remove(path + PART)
        raise
    finally:
        os.close(fd)


@contextmanager
def new_file(path: bytes) -> Iterator[BinaryIO]:
    """Yield a file that has its name, and is synced, when the block ends; it is removed if the block raises."""
    with new_part(path) as fd:
        with os.fdopen(fd, "wb", closefd=False) as file:
            yield file
        publish_part(fd, path)
    sync_folder(os.path.dirname(path))


@contextmanager
def locked_part(path: bytes, check: Callable[[int], object] = lambda fd: None) -> Iterator[BinaryIO]:
    """Yield an empty file at `path.part`, locked against other processes; it is removed at the end.

    Args:
        check: is given the file before it is emptied; if that raises, the file stays as it is.

    Raises:
        OutputBusyError: another process has locked it; its file is unchanged.
    """
    fd = control_fd(path + PART, os.O_RDWR | os.O_CREAT)
    with naming(path), os.fdopen(fd, "wb") as file:  # closing writes too
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputBusyError(path) from error
        if not _is_still_at(fd, path + PART):
            raise OutputBusyError(path)  # the other process has just renamed it: it must not be truncated
        check(fd)
        os.ftruncate(fd, 0)
        try:
            yield file
        finally:
            remove(path + PART)


def _is_still_at(fd: int, path: bytes) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of the data at the descriptor's position."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, memoryview(data)[done:])


def set_time(fd: int, mtime_ns: int) -> None:
    """Give a file the time at which its content was last changed, ns since the epoch."""
    os.utime(fd, ns=(mtime_ns, mtime_ns))


def publish_part(fd: int, path: bytes) -> None:
    """Sync the file and rename it to its final name; the caller closes it and syncs the folder.

    Raises:
        OSError: with the name of the file. Its content may be lost: write the whole file again.
    """
    os.fsync(fd)
    os.rename(path + PART, path)


def rename(path: bytes, target: bytes) -> None:
    """Give a file of a folder of its own its name."""
    os.rename(path, target)


def flush(file: BinaryIO) -> None:
    """Sync what was written so far: on a network file system other machines do not see it before."""
    file.flush()
    os.fsync(file.fileno())


def write_durably(path: bytes, data: bytes) -> None:
    """Write a small file; its name and content are synced when this returns."""
    with new_part(path) as fd:
        write_all(fd, data)
        publish_part(fd, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path: bytes) -> None:
    """Sync the names in a folder."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with naming(path):
            os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: bytes) -> None:
    """Remove a file, if it exists."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def remove_all(path: bytes) -> None:
    """Remove a file or a folder with all below it, if it exists."""
    if is_plain_folder(path):
        shutil.rmtree(path)
    else:
        remove(path)
