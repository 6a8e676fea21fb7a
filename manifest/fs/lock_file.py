"""Reading a `table.lock`, never in a process that may hold the lock itself.

Closing any descriptor of the file drops all POSIX locks that the process has on it. Only casacore takes them, so a
process that has not loaded it reads the file like any other; the others ask a child process, which inherits no locks.
"""

import errno
import os
import warnings
from contextlib import suppress
from typing import NoReturn

from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.table_lock import LOCK_BYTES


def read_lock(name: bytes, *, dir_fd: int | None = None) -> bytes:
    """Return the first `LOCK_BYTES` bytes of the file; no symlink is followed, and a pipe is not waited for.

    Raises:
        OSError: it cannot be read.
    """
    if not _has_casacore() or _is_worker():
        return _read(name, dir_fd)
    receiver, sender = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads; the child uses none of them
        child = os.fork()
    if child == 0:
        _answer(name, dir_fd, sender)
    os.close(sender)
    try:
        with open(receiver, "rb") as file:
            answer = file.read()
    finally:
        with suppress(ChildProcessError):  # where a parent of this process made it ignore the ends of its children
            os.waitpid(child, 0)
    number = int.from_bytes(answer[:4], "big") if answer else errno.EIO
    if number:
        raise OSError(number, os.strerror(number), name)
    return answer[4:]


def _answer(name: bytes, dir_fd: int | None, sender: int) -> NoReturn:
    """Write the number of the error, or 0 and the content, to the pipe; end this process."""
    try:
        try:
            answer = bytes(4) + _read(name, dir_fd)
        except OSError as error:
            answer = (error.errno or errno.EIO).to_bytes(4, "big")
        with open(sender, "wb") as file:
            file.write(answer)
    finally:
        os._exit(0)


def _is_worker() -> bool:
    """Return whether this process is a worker, which opens no tables."""
    from multiprocessing import parent_process  # takes a while, and most processes have no casacore

    return parent_process() is not None


def _has_casacore() -> bool:
    try:
        with open("/proc/self/maps", "rb") as maps:
            return any(b"libcasa" in line for line in maps)
    except FileNotFoundError:  # no /proc
        return True


def _read(name: bytes, dir_fd: int | None) -> bytes:
    with opened_file(name, dir_fd=dir_fd) as fd:
        return os.read(fd, LOCK_BYTES)
