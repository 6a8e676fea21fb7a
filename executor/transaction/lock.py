"""One writer per package: a kernel lock on a file of the control folder.

The kernel gives the lock back when its holder ends, however it ends, so a dead process never blocks. Who holds it is
written into the file for people; it decides nothing.

Workers on other machines outlive a coordinator that is killed, and may write on for a while. So each holds a lock of
its own while it writes, shared with the others, on a file that the coordinator made for this run: whoever takes the
package for writing sees that some are still at it, and those that come late find the file gone.
"""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qa2pack.manifest.fs.untrusted import ControlFileError, control_fd

_LOOK_SECONDS = 0.05
_LINE_START = b"process "
_LINE_BYTES = 400


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
        LockedError: somebody else holds it, for reading or writing, or workers of another run still write; told at
            once.
    """
    fd = control_fd(path, os.O_RDWR | os.O_CREAT)
    try:
        _take(path, fd, fcntl.LOCK_EX)
        _check_ours(path, fd)
        _shut_out_strays(path)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


@contextmanager
def locked_temporarily(path: bytes) -> Iterator[None]:
    """Hold the lock alone, and leave no file; for folders that are not ours. Raises as `locked_for_writing`."""
    with locked_for_writing(path):
        try:
            yield
        finally:
            os.unlink(path)


@contextmanager
def locked_for_reading(path: bytes) -> Iterator[None]:
    """Hold the lock together with other readers; does nothing where there is no lock file, so changes nothing.

    Raises:
        LockedError: somebody writes; told at once.
    """
    try:
        fd = control_fd(path)
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


def _check_ours(path: bytes, fd: int) -> None:
    """Refuse a lock file that holds anything but a line of ours, because it is emptied: it may be any file.

    Raises:
        ControlFileError: with what it is.
    """
    held = os.pread(fd, _LINE_BYTES, 0)
    if held and not (held.startswith(_LINE_START) and len(held) < _LINE_BYTES):
        # A lock of ours may have more names, too: that of a copy by hard links (cp -al).
        kind = "another name elsewhere" if os.fstat(fd).st_nlink > 1 else "content of another kind"
        raise ControlFileError(errno.EINVAL, f"a file with {kind}, not a lock", path)


def _take(path: bytes, fd: int, kind: int) -> None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(path, os.pread(fd, 200, 0).decode(errors="replace").strip()) from error


class StrayError(Exception):
    """The run that this work belongs to has ended; nothing was done."""


def worker_lock_path(path: bytes) -> bytes:
    """Return the path of the lock that workers elsewhere share, for the path of a package's lock."""
    return path + b".workers"


def admit_workers(path: bytes, token: bytes) -> None:
    """Let those write who know the token; the caller holds the lock at `path`.

    Raises:
        LockedError: workers of another run still write.
    """
    _shut_out_strays(path)
    fd = control_fd(worker_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, token, 0)
        os.fsync(fd)  # workers read it through other machines
    finally:
        os.close(fd)


def dismiss_workers(path: bytes, *, seconds: float) -> bool:
    """Wait until no worker writes, and let none begin any more; False if some still write after that time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            _shut_out_strays(path)
            return True
        except LockedError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)


@contextmanager
def working_for(path: bytes, token: bytes) -> Iterator[None]:
    """Work for the run that admitted workers with this token, and keep others out until it is done.

    Raises:
        StrayError: that run has ended.
    """
    try:
        fd = control_fd(worker_lock_path(path))
    except FileNotFoundError as error:
        raise StrayError from error
    try:
        try:
            _take(path, fd, fcntl.LOCK_SH)
        except LockedError as error:
            raise StrayError from error
        if os.pread(fd, len(token) + 1, 0) != token or os.fstat(fd).st_nlink == 0:
            raise StrayError
        yield
    finally:
        os.close(fd)


def _shut_out_strays(path: bytes) -> None:
    """Remove the file of the workers' lock, which nobody holds then."""
    try:
        fd = control_fd(worker_lock_path(path), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(path, "a worker of an earlier run, on another machine,") from error
        with suppress(FileNotFoundError):
            os.unlink(worker_lock_path(path))
    finally:
        os.close(fd)
