"""One writer per package: a kernel lock on a file of the control folder.

The kernel gives the lock back when its holder ends, however it ends, so a dead process never blocks. Who holds it is
written into the file for people; it decides nothing.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager


class LockedError(Exception):
    """Another process works on the package.

    Attributes:
        holder: what the file says of it; may be empty.
    """

    def __init__(self, path: bytes, holder: str) -> None:
        super().__init__(f"{os.fsdecode(path)} is held by {holder or 'another process'}")
        self.path = path
        self.holder = holder


@contextmanager
def locked_for_writing(path: bytes) -> Iterator[None]:
    """Hold the lock alone; the file is made if it is not there.

    Raises:
        LockedError: somebody else holds it, for reading or writing; told at once.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _take(path, fd, fcntl.LOCK_EX)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


@contextmanager
def locked_for_reading(path: bytes) -> Iterator[None]:
    """Hold the lock together with other readers; does nothing where there is no lock file, so changes nothing.

    Raises:
        LockedError: somebody writes; told at once.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        _take(path, fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def holder(path: bytes) -> str | None:
    """Say who writes at the moment; None if nobody does."""
    try:
        with locked_for_reading(path):
            return None
    except LockedError as error:
        return error.holder or "another process"


def _take(path: bytes, fd: int, kind: int) -> None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(path, os.pread(fd, 200, 0).decode(errors="replace").strip()) from error
