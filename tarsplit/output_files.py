"""The only module of `tarsplit` that changes a disk: files are made under a temporary name and get theirs when whole.

A name without `.part` at its end is a complete, synced file. Every function does one thing and raises OSError as the
system does.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.fs.untrusted import control_fd
from qa2pack.tarsplit.naming import PART

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class OutputBusyError(Exception):
    """Another process writes the same delivery.

    Attributes:
        path: of the file that it holds.
    """

    def __init__(self, path: bytes) -> None:
        super().__init__(f"another process writes {os.fsdecode(path)}")
        self.path = path


def make_folder(path: bytes) -> None:
    """Make the output folder and those above it, where they are missing; their names are on the disk then."""
    if is_folder(path):
        return
    above = os.path.dirname(path)
    make_folder(above)
    with suppress(FileExistsError):  # another run made it a moment ago; what is no folder is told by its first use
        os.mkdir(path)
    sync_folder(above)


@contextmanager
def new_part(path: bytes) -> Iterator[int]:
    """Yield the descriptor of an empty file at `path.part`, whatever was there; it is removed if the block raises."""
    fd = control_fd(path + PART, _NEW)
    try:
        with _naming(path):
            yield fd
    except BaseException:
        remove(path + PART)
        raise
    finally:
        os.close(fd)


@contextmanager
def _naming(path: bytes) -> Iterator[None]:
    """Give an error of the system that names no file, as those of write and fsync do not, this one's name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


@contextmanager
def locked_part(path: bytes) -> Iterator[BinaryIO]:
    """Yield an empty file at `path.part` that no other process can get in this way; it is removed in the end.

    Raises:
        OutputBusyError: another process has it; its file is as it was.
    """
    fd = control_fd(path + PART, os.O_WRONLY | os.O_CREAT)
    with _naming(path), os.fdopen(fd, "wb") as file:  # closing writes too
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputBusyError(path) from error
        if not _is_still_at(fd, path + PART):
            raise OutputBusyError(path)  # its holder gave it its name a moment ago: not to be truncated
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


def publish_part(fd: int, path: bytes) -> None:
    """Bring the file to the disk and give it its name; the caller closes it, and syncs the folder.

    Raises:
        OSError: it names the file. What was written may be lost: it must be written anew.
    """
    os.fsync(fd)
    os.rename(path + PART, path)


def flush(file: BinaryIO) -> None:
    """Bring to the disk what was written so far: on a network's file system no other machine sees it before."""
    file.flush()
    os.fsync(file.fileno())


def write_durably(path: bytes, data: bytes) -> None:
    """Write a small file as a whole, name and content on the disk when this returns."""
    with new_part(path) as fd:
        write_all(fd, data)
        publish_part(fd, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path: bytes) -> None:
    """Bring the names in a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _naming(path):
            os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: bytes) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
