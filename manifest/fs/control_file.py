"""Control files: safe open of files that others may have written (control files, settings, sidecars, layouts, ...).

Anyone who may write to a shared folder can put anything at such a name. So no symlink is followed, a named pipe does
not block the open, only a regular file is read, and one that is read whole has a size limit. The owner of the file is
checked elsewhere: `manifest.alma.control_folder_owner`.
"""

import errno
import os
import select
import stat
from typing import BinaryIO

from qa2pack.manifest.fs.file_kind import kind_at, kind_in_words
from qa2pack.manifest.fs.presence import is_there, real_path
from qa2pack.manifest.humanize import human_bytes

SMALL_BYTES = 1 << 20  # limit of files that people write, or that hold one line
LARGE_BYTES = 1 << 26  # limit of files that a program writes and that are read whole
_USER_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_SAFE_FLAGS = _USER_FLAGS | os.O_NOFOLLOW
_WAIT_MS = 1000


class ControlFileError(OSError):
    """The path is not a file that may be read; `strerror` says what it is instead."""


def control_fd(path: bytes, flags: int = os.O_RDONLY, *, mode: int = 0o666) -> int:
    """Open a regular file and return its descriptor; the caller closes it.

    Args:
        flags: as for `os.open`; O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC and O_NOCTTY are added.
        mode: permission bits where `flags` creates the file.

    Raises:
        ControlFileError: it is a symlink, a pipe, a folder or anything else that is not a regular file.
        OSError: as `open` does.
    """
    try:
        fd = os.open(path, flags | _SAFE_FLAGS, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) and (kind := _kind_there(path)):
            raise _refused(path, kind) from error
        raise
    mode_there = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode_there):
        os.close(fd)
        raise _refused(path, kind_in_words(mode_there))
    return fd


def opened_control(path: bytes, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading; raises as `control_fd`."""
    return open(path, "rb", buffering=buffering, opener=lambda name, flags: control_fd(os.fsencode(name), flags))


def read_control(path: bytes, *, limit_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        ControlFileError: as `control_fd`, or it is larger than the limit.
        OSError: as `open` and `read` do.
    """
    with opened_control(path) as file:
        return read_bounded(file, path, limit_bytes=limit_bytes)


def read_named(path: bytes, *, limit_bytes: int) -> bytes:
    """Return the content of a file that the user names, symlinks followed, or of a pipe that a shell gives.

    A shell gives what a command prints as `/dev/fd/63`, a pipe with a writer: `<(command)`. A named pipe may have no
    writer, and would be waited for for ever.

    Raises:
        ControlFileError: it is neither a regular file nor such a pipe, or there is more than the limit.
        OSError: as `open` and `read` do.
    """
    with _opened_named(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode):
            return read_bounded(file, path, limit_bytes=limit_bytes)
        if not is_shell_pipe(path):
            raise _refused(path, kind_in_words(mode))
        data = _read_pipe(file.fileno(), limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ControlFileError(errno.EFBIG, f"more than the {human_bytes(limit_bytes)} that are read", path)
    return data


def _opened_named(path: bytes) -> BinaryIO:
    try:
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | _USER_FLAGS))
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.EISDIR):  # of a socket, and of a folder
            raise
        raise _refused(path, kind_in_words(os.stat(path).st_mode)) from error


def _read_pipe(fd: int, most_bytes: int) -> bytes:
    """Return what comes out of a non-blocking pipe, up to so many bytes; a signal ends the wait within a second.

    Python handles signals between its own instructions. One that comes while a file object reads in its own loop, or
    just before a call that waits, would be handled when the writer has ended.
    """
    pipe = select.poll()
    pipe.register(fd, select.POLLIN)
    data = bytearray()
    while len(data) < most_bytes:
        if pipe.poll(_WAIT_MS):
            read = os.read(fd, most_bytes - len(data))
            if not read:
                break
            data += read
    return bytes(data)


def is_shell_pipe(path: bytes) -> bool:
    """Return whether a path is a pipe that no folder has a name of, as the one of `<(command)`."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode) and not is_there(real_path(path))
    except OSError:
        return False  # reading it reports the error


def read_bounded(file: BinaryIO, path: bytes, *, limit_bytes: int) -> bytes:
    """Return the content of an open file; raises as `read_control`."""
    size = os.fstat(file.fileno()).st_size
    if size <= limit_bytes:
        data = file.read(size + 1)  # not up to the limit, for which Python would allocate memory first
        if len(data) > size:  # it grew after fstat
            data += file.read(limit_bytes - size)
        if len(data) <= limit_bytes:
            return data
    found = f"a file of {human_bytes(max(size, limit_bytes))}, more than the {human_bytes(limit_bytes)} that are read"
    raise ControlFileError(errno.EFBIG, found, path)


def _refused(path: bytes, kind: str) -> ControlFileError:
    return ControlFileError(errno.EINVAL, f"{kind}, not a regular file", path)


def _kind_there(path: bytes) -> str:
    """Return the kind of what is at a path; empty if it is a regular file by now, or gone."""
    try:
        mode = os.lstat(path).st_mode
        return "" if stat.S_ISREG(mode) else kind_at(path, mode)
    except OSError:
        return ""
