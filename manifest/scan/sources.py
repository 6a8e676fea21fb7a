"""Sources: where a symlink of the origin leads, and the problems of what may not be followed or cannot be read."""

import errno
import os

from qa2pack.manifest.fs.digest import FileGrewOrShrankError
from qa2pack.manifest.path import is_within
from qa2pack.manifest.problem import Code, Problem, unreadable
from qa2pack.manifest.quantity import Size
from qa2pack.manifest.scan.batches import ScanOptions

_LINK_CODES = {errno.ENOENT: Code.LINK_DANGLING, errno.ENOTDIR: Code.LINK_DANGLING, errno.ELOOP: Code.LINK_LOOP}


def link_target(options: ScanOptions, source: bytes) -> bytes | Problem:
    """Return the resolved target of a symlink, relative to the root if inside; a problem if it may not be used.

    Args:
        source: the symlink, relative to the root or absolute.
    """
    link = os.path.join(options.root, source)
    if not options.follows_links:
        return Problem(Code.WRONG_TYPE, link, "a file or folder", "a link")
    try:
        target = os.path.realpath(link, strict=True)
    except OSError as error:
        return _link_problem(link, error)
    if is_within(target, options.root):
        return target[len(options.root.rstrip(b"/")) + 1 :]
    if not (options.follow_outside or options.is_in_package(target)):
        return Problem(Code.LINK_OUTSIDE, link, found=os.fsdecode(target))
    return target


def changed(path: bytes, error: FileGrewOrShrankError) -> Problem:
    """Return the problem of a file whose size changed while it was read."""
    return Problem(Code.ORIGIN_CHANGED, path, Size(error.expected_bytes), Size(error.found_bytes))


def _link_problem(link: bytes, error: OSError) -> Problem:
    """Return the problem of a symlink that could not be followed, for the reason that the error gives."""
    code = _LINK_CODES.get(error.errno or 0)
    if code is None:
        return unreadable(link, error)
    try:
        return Problem(code, link, found=os.fsdecode(os.readlink(link)))
    except OSError as gone:  # the other files of the folder can be scanned all the same
        return unreadable(link, gone)
