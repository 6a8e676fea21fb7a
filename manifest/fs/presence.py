"""Existence checks that raise errors: only ENOENT and ENOTDIR mean that a path does not exist.

`os.path.lexists` and its like take any error for absence: one EIO or ESTALE of a disk or a server would then be read
as "it is gone", and what decides by that removes what is there. A test keeps them out of the whole program.
"""

import errno
import os
import stat
from typing import AnyStr

_ABSENCE = (FileNotFoundError, NotADirectoryError)


def status_of(path: bytes, *, dir_fd: int | None = None) -> os.stat_result | None:
    """Return the lstat result of the path; None if it does not exist.

    Raises:
        OSError: any other error.
    """
    try:
        return os.lstat(path, dir_fd=dir_fd)
    except _ABSENCE:
        return None


def file_status_of(path: bytes) -> os.stat_result | None:
    """Return the lstat result of a regular file; None if the path is something else, or does not exist."""
    status = status_of(path)
    return status if _is(status, stat.S_IFREG) else None


def is_there(path: bytes, *, dir_fd: int | None = None) -> bool:
    """Return whether the path exists, be it a dangling symlink."""
    return status_of(path, dir_fd=dir_fd) is not None


def is_link(path: bytes) -> bool:
    """Return whether the path is a symlink, dangling or not."""
    return _is(status_of(path), stat.S_IFLNK)


def is_plain_folder(path: bytes) -> bool:
    """Return whether the path is a folder, not a symlink to one."""
    return _is(status_of(path), stat.S_IFDIR)


def is_plain_file(path: bytes) -> bool:
    """Return whether the path is a regular file, not a symlink to one."""
    return _is(status_of(path), stat.S_IFREG)


def is_folder(path: bytes) -> bool:
    """Return whether the path is a folder, symlinks followed."""
    return _is(followed_status_of(path), stat.S_IFDIR)


def is_file(path: bytes) -> bool:
    """Return whether the path is a regular file, symlinks followed."""
    return _is(followed_status_of(path), stat.S_IFREG)


def leads_anywhere(path: bytes) -> bool:
    """Return whether the path exists, symlinks followed."""
    return followed_status_of(path) is not None


def resolved(path: bytes) -> bytes | None:
    """Return the path with all symlinks resolved; None if it does not exist."""
    try:
        return os.path.realpath(path, strict=True)
    except _ABSENCE:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:  # a symlink loop counts as absent
            raise
        return None


def real_path(path: AnyStr) -> AnyStr:
    """Return the path without any links in it, as `os.path.realpath` does, also where it leads nowhere.

    Raises:
        OSError: what is on the way cannot be known; a link that is taken for none would lead elsewhere.
    """
    try:
        return os.path.realpath(path, strict=True)
    except _ABSENCE:
        return os.path.realpath(path)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENAMETOOLONG):  # no disk has anything at a name that is too long
            raise
        return os.path.realpath(path)


def followed_status_of(path: bytes) -> os.stat_result | None:
    """Return the stat result of the path, symlinks followed; None if it does not exist.

    Raises:
        OSError: any other error.
    """
    try:
        return os.stat(path)
    except _ABSENCE:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None


def _is(status: os.stat_result | None, kind: int) -> bool:
    return status is not None and stat.S_IFMT(status.st_mode) == kind
