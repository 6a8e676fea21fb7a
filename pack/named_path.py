"""Problem of a path that the user names: there is nothing, or something else than is wanted."""

import os

from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import leads_anywhere
from qa2pack.manifest.problem import Code, Problem


def path_problem(path: bytes, wanted: str) -> Problem:
    """Return the problem of a path at which there is not what is wanted, symlinks followed.

    Args:
        wanted: a file or folder, in words.

    Raises:
        OSError: it cannot be looked at.
    """
    if leads_anywhere(path):
        return Problem(Code.PATH_OTHER, path, wanted, kind_in_words(os.stat(path).st_mode))
    return Problem(Code.PATH_MISSING, path, wanted)
