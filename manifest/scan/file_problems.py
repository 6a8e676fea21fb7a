"""File problems: of a file or folder that cannot be read, and of one that changed while it was read."""

from qa2pack.manifest.fs.digest import FileGrewOrShrankError
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Size


def changed(path: bytes, error: FileGrewOrShrankError) -> Problem:
    """Return the problem of a file whose size changed while it was read."""
    return Problem(Code.ORIGIN_CHANGED, path, Size(error.expected_bytes), Size(error.found_bytes))


def unreadable(path: bytes, error: OSError) -> Problem:
    """Return the problem of a file or folder that cannot be read."""
    return Problem(Code.UNREADABLE, path, found=error.strerror or str(error))
