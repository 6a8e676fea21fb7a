"""Paths as bytes: checks against leaving a tree, escaping for display, sort order, joining.

Bytes, so that every name that Linux allows is kept. Paths inside plans and manifests are relative, separated by `/`,
and never hold `.`, `..`, an empty part or NUL. A path is checked where it is read from a file, because a plan from
elsewhere must not be able to name something outside package and origin. `shown` escapes a path for display; its
result is never used to open anything.
"""

import os
from collections.abc import Iterable

_UNSAFE_PARTS = (b"//", b"/./", b"/../")
_PATH_BYTES = 4096  # Linux takes no longer one


class UnsafePathError(ValueError):
    """A path that could lead out of the tree it belongs to."""

    def __init__(self, path: bytes) -> None:
        # Escaped, a path of megabytes takes hundred times as much memory.
        super().__init__(
            f"unsafe path {shown(path[:_PATH_BYTES])}: it must be relative, without '.', '..' or empty parts"
        )
        self.path = path


def check_relative(path: bytes) -> None:
    """Refuse a path that could lead out of the folder it is relative to.

    The empty path is that folder itself and is allowed.

    Raises:
        UnsafePathError: the path is absolute, or has an empty, `.` or `..` part, or a NUL byte.
    """
    if not path:
        return
    enclosed = b"/%b/" % path  # not split: of a path of slashes, a list of its parts takes eight times the memory
    if b"\0" in path or any(part in enclosed for part in _UNSAFE_PARTS):
        raise UnsafePathError(path)


def check_name(name: bytes) -> None:
    """Refuse a file name that is not exactly one path part.

    Raises:
        UnsafePathError: the name is empty, `.` or `..`, or holds a `/` or NUL byte.
    """
    if not name or b"/" in name or b"\0" in name or name in {b".", b".."}:
        raise UnsafePathError(name)


def shown(path: bytes | str) -> str:
    """Return the path escaped for display on a terminal.

    Control characters, and bytes that are not UTF-8, become backslash escapes, so that no file name can move the
    cursor or recolour the screen.
    """
    text = path if isinstance(path, str) else os.fsdecode(path)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    byte = ord(char) - 0xDC00
    if 0x80 <= byte <= 0xFF:  # a surrogate escape: one byte of a name that is not UTF-8
        return f"\\x{byte:02x}"
    return char.encode("unicode_escape").decode()


def sort_key(path: bytes) -> bytes:
    """Return the key that sorts paths part by part, a folder before its content.

    NUL is in no name and is smaller than every other byte, so comparing the keys compares the parts one after the
    other. Comparing the paths would put `a-b` between `a` and `a/b`.
    """
    return path.replace(b"/", b"\0")


def join(folder: bytes, name: bytes) -> bytes:
    """Return `folder/name`, or just `name` for the empty folder."""
    return folder + b"/" + name if folder else name


def path_in(folder: bytes, path: bytes) -> bytes:
    """Return a relative path as seen from above its folder; the folder itself for the empty path."""
    return join(folder, path) if path else folder


def folders_above(paths: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the folders above relative paths, each with the sorted names of what leads to them, in path order.

    The first is the empty path; of the empty path alone nothing is above.
    """
    found: dict[bytes, set[bytes]] = {}
    for path in paths:
        parts = path.split(b"/") if path else []
        for depth, name in enumerate(parts):
            found.setdefault(b"/".join(parts[:depth]), set()).add(name)
    return {folder: sorted(found[folder]) for folder in sorted(found, key=sort_key)}


def alone_above(path: bytes, others: Iterable[bytes]) -> bytes:
    """Return the topmost folder above a relative path that is above none of the others; empty if there is none."""
    shared = folders_above(others)
    return next((folder for folder in folders_above([path]) if folder and folder not in shared), b"")


def is_within(path: bytes, folder: bytes) -> bool:
    """Return whether absolute `path` is `folder` or below it; both must be resolved already."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def is_address(text: str) -> bool:
    """Return whether a text is the address of a store, not the path of a folder."""
    return "://" in text
