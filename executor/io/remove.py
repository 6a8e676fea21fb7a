"""Remove trees: staging, and the tree of a replaced package; also make and move folders."""

import os
import stat

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.manifest.fs.presence import is_folder, is_there


def remove_tree(disk: Disk, name: bytes, *, dir_fd: int | None = None, stop: Stop = NEVER) -> None:
    """Remove a file, or a folder with its content; symlinks are removed, not followed; an absent path is accepted.

    After a stop half-way, the call can be repeated.

    Raises:
        InterruptedByUser: a stop was requested, which is checked in every folder.
    """
    try:
        is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=dir_fd).st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        disk.unlink(name, dir_fd=dir_fd)
        return
    stop.check()
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        with os.scandir(fd) as listing:
            entries = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in listing]
        for child, child_is_folder in entries:
            if child_is_folder:
                remove_tree(disk, child, dir_fd=fd, stop=stop)
            else:
                disk.unlink(child, dir_fd=fd)
    finally:
        os.close(fd)
    disk.rmdir(name, dir_fd=dir_fd)


def ensure_folder(disk: Disk, path: bytes, mode: int = 0o777) -> None:
    """Make a folder if it does not exist."""
    if not is_folder(path):
        disk.mkdir(path, mode)


def move_away(disk: Disk, path: bytes, target: bytes) -> None:
    """Rename `path` to `target` unless that was done before: `path` is gone or `target` exists."""
    if is_there(path) and not is_there(target):
        disk.rename(path, target)
