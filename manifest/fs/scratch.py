"""Scratch folders for temporary files, removal of those that killed runs left, and whether a disk has space.

A scratch folder is locked while it is used, by the process that made it or a child of it; the kernel releases the
lock however they end. So a folder that can be locked is unused, and the next run that makes a scratch folder removes
it. Only folders of the same user with our prefix are considered, and never symlinks.
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
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # of the disk itself, and of the quota of a user or a folder


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder and remove it afterwards; after a kill, the next call removes it.

    Its path is absolute, because a child process looks for it from another folder.
    """
    _sweep()
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def check_space(folder: Path, byte_count: int) -> None:
    """Allocate so much space and free it again; that also finds a quota, which statvfs does not show."""
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, byte_count)


def takes_folder(folder: bytes) -> bool:
    """Make an empty folder in the folder and remove it again; return whether that could be done.

    It takes an inode as a file does, and nothing is left of it where a file that is removed while it is open comes
    into being when it is closed (rclone mounts without a cache).
    """
    try:
        os.rmdir(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=os.fsdecode(folder)))
    except OSError:
        return False
    return True


def _made() -> tuple[Path, int]:
    """Make a folder and lock it; try again if another run removed it before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=os.path.abspath(_root())))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _is_locked(lock) and os.fstat(lock).st_nlink:
                return folder, lock
            os.close(lock)


def _root() -> str:
    """Return the folder for temporary files; refuse the current folder: it may be the origin."""
    folder = tempfile.gettempdir()
    requested = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")}
    if folder not in requested and not folder.endswith("tmp") and folder == _current_folder():
        raise FileNotFoundError(errno.ENOENT, "no usable temporary directory", "/tmp")
    return folder


def _current_folder() -> str:
    """Return the path of the current folder; empty if it was removed, which keeps nobody from working elsewhere."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _is_locked(fd: int) -> bool:
    """Lock the open folder unless another process has; without flock support, folders are never removed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _sweep() -> None:
    """Remove the unlocked scratch folders of this user."""
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
