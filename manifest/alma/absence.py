"""Problem of a packaged path that is not there: something else stands at it or above it, or nothing does."""

import stat

from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.path import path_in
from qa2pack.manifest.problem import Code, Problem


def absence(root: bytes, path: bytes, expected: str = "") -> Problem:
    """Return the problem, its path absolute: of the first thing on the way that is no folder, else of the path.

    What is at the path itself is no folder either, where one is expected.

    Args:
        root: absolute path of the package or member.
        path: relative to `root`.
        expected: what is missing, in words; empty for a file.
    """
    parts = path.split(b"/") if path else []
    depths = range(len(parts) + 1 if expected else len(parts))
    for folder in (path_in(root, b"/".join(parts[:depth])) for depth in depths):
        status = status_of(folder)
        if status is None:
            break
        if not stat.S_ISDIR(status.st_mode):
            return Problem(Code.WRONG_TYPE, folder, "a folder", kind_in_words(status.st_mode))
    return Problem(Code.MISSING, path_in(root, path), expected)
