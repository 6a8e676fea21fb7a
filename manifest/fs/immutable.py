"""Immutable and append-only attributes (chattr +i, +a) of files and folders, read with statx.

Not even root can make a hard link to such a file or put a symlink in its place, and the permission bits do not show
it. Python's os.stat does not return these attributes, so the system call is made here.

Source: statx(2), <linux/stat.h>.
"""

import ctypes
import struct
from collections.abc import Iterable, Iterator

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_AT_STATX_DONT_SYNC = 0x4000  # attributes change rarely, so a server is not asked for each file
_IMMUTABLE, _APPEND = 0x10, 0x20
_ATTRIBUTES_AT = 8
_FIELDS = struct.Struct("=Q40xQ")  # stx_attributes, and 48 bytes further stx_attributes_mask, of struct statx
_STATX_BYTES = 256

_marking: dict[int, bool] = {}  # by device number: whether the file system has such attributes at all


def mark_of(path: bytes) -> str:
    """Return "immutable" or "append-only" for the path, symlinks followed; empty if neither, or not readable."""
    return next((mark for _, mark in marks_of((path,))), "")


def marks_of(paths: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """Yield those of the paths that are marked, as `mark_of` says."""
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    for path in paths:
        attributes = _attributes(path, buffer)[0]
        if attributes & (_IMMUTABLE | _APPEND):
            yield path, "immutable" if attributes & _IMMUTABLE else "append-only"


def has_marks(device: int, path: bytes) -> bool:
    """Return whether the file system with this device number has such attributes; `path` is on it."""
    known = _marking.get(device)
    if known is None:
        _, mask = _attributes(path, ctypes.create_string_buffer(_STATX_BYTES))
        known = _marking[device] = bool(mask & (_IMMUTABLE | _APPEND))
    return known


def _attributes(path: bytes, buffer: "ctypes.Array[ctypes.c_char]") -> tuple[int, int]:
    """Return the attributes, and which of them the file system supports; zeros where there is no statx."""
    try:
        failed = _libc.statx(_AT_FDCWD, path, _AT_STATX_DONT_SYNC, 0, buffer)
    except AttributeError:
        return 0, 0
    if failed:
        return 0, 0
    attributes, known = _FIELDS.unpack_from(buffer, _ATTRIBUTES_AT)
    return attributes, known
