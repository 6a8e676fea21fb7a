"""A manifest that cannot be used, as a problem: damaged, or written by a newer program, which must not be mixed up.

What to do about the two is opposite: a damaged one may have to be made anew, a newer one is good and must stay.
"""

from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.stream import NewerFormatError, StreamError


def unusable_manifest(error: StreamError, path: bytes | None = None) -> Problem:
    """Return the problem; its path is that of the file, unless another is given."""
    code = Code.MANIFEST_NEWER if isinstance(error, NewerFormatError) else Code.MANIFEST_DAMAGED
    return Problem(code, error.path if path is None else path, found=f"one that {error.reason}")
