"""Scratch folders below the system's folder for temporary files, and sweeping those of runs that were killed.

A scratch folder is locked for as long as it is used, by the process that made it or a child of it; the kernel gives
the lock back however they end. So a folder that can be locked is nobody's any more, and the next run that makes
scratch removes it. Only folders of the same user with our prefix are looked at, and links never.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SCRATCH_PREFIX = "qa2pack-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder that is gone afterwards, or when the next one is made after a kill."""
    _sweep()
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made() -> tuple[Path, int]:
    """Make a folder and lock it; another run may sweep it before it is locked, and then the next one will do."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=_root()))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _is_locked(lock) and os.fstat(lock).st_nlink:
                return folder, lock
            os.close(lock)


def _root() -> str:
    """Return the folder for temporary files; never one that is only meant by being the current one, as Python does.

    That may be the origin.
    """
    folder = tempfile.gettempdir()
    requested = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")}
    if folder == os.getcwd() and folder not in requested and not folder.endswith("tmp"):
        raise FileNotFoundError(errno.ENOENT, "no usable temporary directory", "/tmp")
    return folder


def _is_locked(fd: int) -> bool:
    """Lock the open folder if nobody else has; a file system without such locks never has its folders swept."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _sweep() -> None:
    """Remove the folders of this user that nobody holds any more."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as listing:
        for entry in listing:
            if entry.name.startswith(SCRATCH_PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_if_dead(entry.path)


def _remove_if_dead(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(fd)
