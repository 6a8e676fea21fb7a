"""Files and folders that are marked so that nobody, not even root, may change them: immutable, or append-only.

No hard link to such a file can be made, and no link can take its place; access rights say nothing of it. Python's
stat does not give the marks, so the system call is made here.

Source: statx(2), <linux/stat.h>.
"""

import ctypes
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_AT_STATX_DONT_SYNC = 0x4000  # marks do not change so often that a server is to be asked for each file
_IMMUTABLE, _APPEND = 0x10, 0x20
_ATTRIBUTES_AT, _KNOWN_AT = 8, 56  # of stx_attributes and stx_attributes_mask in struct statx
_STATX_BYTES = 256

_marking: dict[int, bool] = {}  # by number of the file system: whether it knows such marks at all


def mark_of(path: bytes) -> str:
    """Return how the file or folder that the path leads to is marked; empty if it is not, or cannot be looked at."""
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    attributes, _ = _attributes(path, buffer)
    if attributes & _IMMUTABLE:
        return "immutable"
    return "append-only" if attributes & _APPEND else ""


def has_marks(device: int, path: bytes) -> bool:
    """Tell whether the file system with this number knows such marks; `path` is something on it."""
    known = _marking.get(device)
    if known is None:
        _, mask = _attributes(path, ctypes.create_string_buffer(_STATX_BYTES))
        known = _marking[device] = bool(mask & (_IMMUTABLE | _APPEND))
    return known


def _attributes(path: bytes, buffer: "ctypes.Array[ctypes.c_char]") -> tuple[int, int]:
    """Return the attributes, and which of them the file system knows; none where the system has no such call."""
    try:
        failed = _libc.statx(_AT_FDCWD, path, _AT_STATX_DONT_SYNC, 0, buffer)
    except AttributeError:
        return 0, 0
    if failed:
        return 0, 0
    attributes, mask = (struct.unpack_from("=Q", buffer, at)[0] for at in (_ATTRIBUTES_AT, _KNOWN_AT))
    return attributes, mask
