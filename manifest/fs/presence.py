"""Whether something stands at a path: only ENOENT and ENOTDIR mean that nothing does; every other error is raised.

`os.path.lexists` and its like take any error for absence: one EIO or ESTALE of a disk or a server would then be read
as "it is gone", and what decides by that removes what is there. A test keeps them out of the whole program.
"""

import errno
import os
import stat
from typing import AnyStr

_ABSENCE = (FileNotFoundError, NotADirectoryError)


def status_of(path: bytes, *, dir_fd: int | None = None) -> os.stat_result | None:
    """Return the status of what stands at the path, which is not followed if it is a link; None if nothing does.

    Raises:
        OSError: it cannot be known.
    """
    try:
        return os.lstat(path, dir_fd=dir_fd)
    except _ABSENCE:
        return None


def is_there(path: bytes, *, dir_fd: int | None = None) -> bool:
    """Tell whether anything stands at the path, even a link to nothing."""
    return status_of(path, dir_fd=dir_fd) is not None


def is_link(path: bytes) -> bool:
    """Tell whether a link stands at the path, whatever it leads to."""
    return _is(status_of(path), stat.S_IFLNK)


def is_plain_folder(path: bytes) -> bool:
    """Tell whether a folder stands at the path itself, not a link to one."""
    return _is(status_of(path), stat.S_IFDIR)


def is_plain_file(path: bytes) -> bool:
    """Tell whether a file stands at the path itself, not a link to one."""
    return _is(status_of(path), stat.S_IFREG)


def is_folder(path: bytes) -> bool:
    """Tell whether the path leads to a folder."""
    return _is(_followed(path), stat.S_IFDIR)


def is_file(path: bytes) -> bool:
    """Tell whether the path leads to a file."""
    return _is(_followed(path), stat.S_IFREG)


def leads_anywhere(path: bytes) -> bool:
    """Tell whether the path leads to anything."""
    return _followed(path) is not None


def resolved(path: bytes) -> bytes | None:
    """Return the path without any links in it, None if it leads nowhere."""
    try:
        return os.path.realpath(path, strict=True)
    except _ABSENCE:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:  # links that lead to each other in a circle lead nowhere
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
        if error.errno != errno.ELOOP:
            raise
        return os.path.realpath(path)


def _followed(path: bytes) -> os.stat_result | None:
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
