"""Package lock: one writer per package, by flock on a file of the control folder.

The kernel releases the lock when its holder ends, however it ends, so a dead process never blocks. The file names the
holder for people; no decision depends on its content.

Workers on other machines outlive a coordinator that is killed, and may write for a while. So each worker holds a
shared lock while it writes, on a file that the coordinator made for its run. The next writer of the package sees that
workers are still writing, and a worker that comes late finds the file gone.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import ControlFileError, control_fd
from qa2pack.manifest.fs.named_errors import naming
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.fs.scratch import DISK_FULL
from qa2pack.manifest.problem import Code, PackError, Problem

_LOOK_SECONDS = 0.05
_LINE_START = b"process "
_LINE_BYTES = 400


class LockedError(PackError):
    """The package is locked by another process.

    Attributes:
        holder: the process, as named in the lock file; may be empty.
    """

    def __init__(self, path: bytes, holder: str) -> None:
        super().__init__(f"{os.fsdecode(path)} is held by {holder or 'another process'}")
        self.path = path
        self.holder = holder
        self.problems = (Problem(Code.LOCKED, path, found=holder),)


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a process waits for another one that holds the lock.

    Attributes:
        seconds: at most; 0 does not wait.
        report: called with the holder, as named in the lock file, when the wait begins and when the holder changes.
    """

    seconds: float = 0
    report: Callable[[str], None] = lambda _: None


NO_WAIT = Wait()


@contextmanager
def when_free(
    lock: Callable[[bytes], AbstractContextManager[None]], path: bytes, wait: Wait, stop: Stop = NEVER
) -> Iterator[None]:
    """Hold a lock, and wait for other processes that hold it.

    Args:
        lock: `locked_for_writing` or `locked_for_reading`.
        stop: checked during the wait.

    Raises:
        LockedError: another process held it all that time.
        InterruptedByUser: a stop was requested during the wait.
    """
    with ExitStack() as held:
        _enter_when_free(held, lock, path, wait, stop)
        yield


def _enter_when_free(
    held: ExitStack, lock: Callable[[bytes], AbstractContextManager[None]], path: bytes, wait: Wait, stop: Stop
) -> None:
    deadline, reported = time.monotonic() + wait.seconds, None
    while True:
        try:
            return held.enter_context(lock(path))
        except LockedError as error:
            if time.monotonic() >= deadline:
                raise
            if reported is None or error.holder not in ("", reported):  # a new holder writes its name a moment later
                reported = error.holder
                wait.report(reported)
        stop.check()
        time.sleep(_LOOK_SECONDS)


@contextmanager
def locked_for_writing(path: bytes) -> Iterator[None]:
    """Hold the exclusive lock; the file is created if it does not exist. Never waits.

    Raises:
        LockedError: another process holds it for reading or writing, or workers of another run still write.
        OSError: there is no /proc, without which it is not known where symlinks of the origin lead.
    """
    if not is_folder(b"/proc/self/fd"):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), b"/proc/self/fd")
    fd = _taken_for_writing(path)
    try:
        _check_ours(path, fd)
        _shut_out_strays(path)
        _write_holder(path, fd, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
        yield
        _write_holder(path, fd, b"")
    finally:
        with naming(path):
            os.close(fd)


@contextmanager
def locked_temporarily(path: bytes) -> Iterator[None]:
    """Hold the exclusive lock, then remove its file; for folders of others. Raises as `locked_for_writing`."""
    with locked_for_writing(path):
        try:
            yield
        finally:
            os.unlink(path)


@contextmanager
def locked_for_reading(path: bytes) -> Iterator[None]:
    """Hold the shared lock of readers; does nothing where there is no lock file, so it changes nothing. Never waits.

    Raises:
        LockedError: another process holds the lock for writing.
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
    """Return who holds the lock for writing; None if nobody does."""
    try:
        with locked_for_reading(path):
            return None
    except LockedError as error:
        return error.holder or "another process"


def _write_holder(path: bytes, fd: int, line: bytes) -> None:
    """Write who holds the lock; not on a full disk, where btrfs takes no byte and a rollback is what frees space."""
    try:
        with naming(path):
            os.ftruncate(fd, 0)
            os.pwrite(fd, line, 0)
            # Where nothing can be changed later (rclone mounts without a cache), that is seen here, not at the end.
            os.pread(fd, 1, 0)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise


def _check_ours(path: bytes, fd: int) -> None:
    """Refuse a lock file with foreign content: it may be any file, and taking the lock empties it.

    A full disk may have taken only the first bytes of the line.

    Raises:
        ControlFileError: says what it is.
    """
    with naming(path):
        held = os.pread(fd, _LINE_BYTES, 0)
    if held[: len(_LINE_START)] != _LINE_START[: len(held)] or len(held) == _LINE_BYTES:
        # A valid lock file may have other hard links too: a copy of the package by `cp -al`.
        kind = "another name elsewhere" if os.fstat(fd).st_nlink > 1 else "content of another kind"
        raise ControlFileError(errno.EINVAL, f"a file with {kind}, not a lock", path)


def check_is_lock(path: bytes) -> None:
    """Refuse what has the name of a lock file and is none; it need not be there, and is not locked.

    Raises:
        ControlFileError: says what it is.
    """
    try:
        fd = control_fd(path)
    except FileNotFoundError:
        return
    try:
        _check_ours(path, fd)
    finally:
        os.close(fd)


def _taken_for_writing(path: bytes) -> int:
    """Return the descriptor of the lock file, with the lock.

    A process that was refused removes the lock file with the control folder that it made. Whoever opened the file
    before that would hold the lock of a file that no other process finds.
    """
    while True:
        fd = control_fd(path, os.O_RDWR | os.O_CREAT)
        try:
            _take(path, fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _take(path: bytes, fd: int, kind: int) -> None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(path, os.pread(fd, 200, 0).decode(errors="replace").strip()) from error


class StrayError(Exception):
    """The run that this batch belongs to has ended; nothing was done."""


def worker_lock_path(path: bytes) -> bytes:
    """Return the path of the lock file that workers on other machines share, from the path of the package lock."""
    return path + b".workers"


def admit_workers(path: bytes, token: bytes) -> None:
    """Let workers write that have the token; the caller holds the lock at `path`.

    Raises:
        LockedError: workers of another run still write.
    """
    _shut_out_strays(path)
    fd = control_fd(worker_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, token, 0)
        os.fsync(fd)  # workers on other machines read it
    finally:
        os.close(fd)


def dismiss_workers(path: bytes, *, seconds: float) -> bool:
    """Wait until no worker writes, and admit no more; return False if some still write after that time."""
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
    """Hold the workers' lock of the run that admitted workers with this token.

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
    """Remove the file of the workers' lock, unless a worker holds it; then raise LockedError."""
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
