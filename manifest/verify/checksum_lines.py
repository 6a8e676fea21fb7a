"""Checksum lines: the formats of md5sum, sha256sum, xxhsum and BagIt manifests. Pure.

Sources: the text form of GNU coreutils' md5sum and sha256sum; RFC 8493 for BagIt.
"""

from collections.abc import Callable

_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"))
# Some programs end a line at these, too: all separators of `str.splitlines` except line feed and carriage return.
_OTHER_BREAKS = frozenset("\v\f\x1c\x1d\x1e\x85\u2028\u2029")

Line = Callable[[str, bytes], bytes]


class NotInABagError(ValueError):
    """A path that the BagIt manifest format cannot represent.

    Attributes:
        reason: why not.
    """

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def coreutils_line(digest: str, path: bytes) -> bytes:
    """Return a line of md5sum or sha256sum; a leading backslash marks an escaped name."""
    return _escaped_line(digest, path) if any(c in path for c in b"\\\n\r") else _plain_line(digest, path)


def xxhsum_line(digest: str, path: bytes) -> bytes:
    """Return a line of xxhsum; a name is escaped only if it must be: xxhsum before 0.8.3 knows no escapes."""
    return _escaped_line(digest, path) if b"\n" in path else _plain_line(digest, path)


def bag_line(digest: str, path: bytes) -> bytes:
    """Return a line of a bag's manifest for a path of its payload.

    Raises:
        NotInABagError: the format cannot represent the path, or programs that check bags would read another path.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError as error:
        raise NotInABagError(path, "the name is not UTF-8") from error
    if text != text.rstrip():
        raise NotInABagError(path, "the name ends in a space")
    if "%0A" in text.upper() or "%0D" in text.upper():
        raise NotInABagError(path, "the name holds what encodes a line break in a bag")
    if not _OTHER_BREAKS.isdisjoint(text):
        raise NotInABagError(path, "the name holds a line separator")
    return f"{digest}  data/{text.replace(chr(13), '%0D').replace(chr(10), '%0A')}\n".encode()


def _plain_line(digest: str, path: bytes) -> bytes:
    return b"%b  %b\n" % (digest.encode(), path)


def _escaped_line(digest: str, path: bytes) -> bytes:
    for char, escape in _ESCAPES:
        path = path.replace(char, escape)
    return b"\\" + _plain_line(digest, path)
