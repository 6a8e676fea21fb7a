"""Immutable and append-only attributes (chattr +i, +a) of files and folders, read with statx.

Not even root can make a hard link to such a file or put a symlink in its place, and the permission bits do not show
it. Python's os.stat does not return these attributes, so the system call is made here.

Source: statx(2), <linux/stat.h>.
"""

import ctypes
import sys
from collections.abc import Iterable

from qa2pack.manifest.fs.safe_open import opened_folder

_statx = getattr(ctypes.CDLL(None), "statx", None)  # an older C library has none
_AT_FDCWD = -100
_AT_STATX_DONT_SYNC = 0x4000  # attributes change rarely, so a server is not asked for each file
_IMMUTABLE, _APPEND = 0x10, 0x20
_MARKS = _IMMUTABLE | _APPEND
_STATX_BYTES = 256
# The bytes of struct statx that hold these two: of stx_attributes, and of stx_attributes_mask.
_LOW_BYTE = 0 if sys.byteorder == "little" else 7
_ATTRIBUTES, _MASK = 8 + _LOW_BYTE, 56 + _LOW_BYTE

_marking: dict[int, bool] = {}  # by device number: whether the file system has such attributes at all


def mark_of(path: bytes) -> str:
    """Return "immutable" or "append-only" for the path, symlinks followed; empty if neither, or not readable."""
    return next((mark for _, mark in _marks_of((path,), _AT_FDCWD)), "")


def marks_in(folder: bytes, paths: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """Return those of the paths, relative to the folder or absolute, that are marked, as `mark_of` says.

    For many files of a folder that takes two thirds of the time that their whole paths take.

    Raises:
        OSError: the folder cannot be opened.
    """
    with opened_folder(folder) as fd:
        return _marks_of(paths, fd)


def _marks_of(paths: Iterable[bytes], dir_fd: int) -> list[tuple[bytes, str]]:
    """Return the paths that are marked. Every file of a plan is one of them, so the loop calls nothing of ours."""
    if _statx is None:
        return []
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    view = memoryview(buffer).cast("B")
    marked = []
    for path in paths:
        if not _statx(dir_fd, path, _AT_STATX_DONT_SYNC, 0, buffer) and view[_ATTRIBUTES] & _MARKS:
            marked.append((path, "immutable" if view[_ATTRIBUTES] & _IMMUTABLE else "append-only"))
    return marked


def has_marks(device: int, path: bytes) -> bool:
    """Return whether the file system with this device number has such attributes; `path` is on it."""
    if device not in _marking and _statx is not None:
        buffer = ctypes.create_string_buffer(_STATX_BYTES)
        if not _statx(_AT_FDCWD, path, _AT_STATX_DONT_SYNC, 0, buffer):  # one that is gone says nothing of its disk
            _marking[device] = bool(buffer.raw[_MASK] & _MARKS)
    return _marking.get(device, _statx is not None)
