"""Immutable and append-only attributes (chattr +i, +a) of files and folders, read with statx.

Not even root can make a hard link to such a file or put a symlink in its place, and the permission bits do not show
it. Python's os.stat does not return these attributes, so the system call is made here.

Source: statx(2), <linux/stat.h>.
"""

import ctypes
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_AT_STATX_DONT_SYNC = 0x4000  # attributes change rarely, so a server is not asked for each file
_IMMUTABLE, _APPEND = 0x10, 0x20
_ATTRIBUTES_AT, _KNOWN_AT = 8, 56  # of stx_attributes and stx_attributes_mask in struct statx
_STATX_BYTES = 256

_marking: dict[int, bool] = {}  # by device number: whether the file system has such attributes at all


def mark_of(path: bytes) -> str:
    """Return "immutable" or "append-only" for the path, symlinks followed; empty if neither, or not readable."""
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    attributes, _ = _attributes(path, buffer)
    if attributes & _IMMUTABLE:
        return "immutable"
    return "append-only" if attributes & _APPEND else ""


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
    attributes, mask = (struct.unpack_from("=Q", buffer, at)[0] for at in (_ATTRIBUTES_AT, _KNOWN_AT))
    return attributes, mask
