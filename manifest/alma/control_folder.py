"""The control folder of a package, looked at before anything in it is: can it be used?

What is in a folder that cannot be entered, or behind a link that leads to nothing, looks as if it were not there, and
a package would seem to have no manifests, no plan and nothing to be finished.
"""

import errno
import os
import stat

from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, PlanRefused, Problem


def check_control(path: bytes) -> None:
    """Refuse a control folder that is none, is a package itself, or may not be entered; nothing there is fine.

    Raises:
        PlanRefused: with what it is; or the name is longer than the disk takes.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise PlanRefused(name_too_long(path)) from error
    if stat.S_ISLNK(mode):
        found = f"a link to {shown(os.readlink(path))}"
    elif not stat.S_ISDIR(mode):
        found = "a file" if stat.S_ISREG(mode) else "no folder"
    elif not os.access(path, os.X_OK):
        found = "a folder that you may not enter"
    elif is_there(join(path, SCIENCE_GOAL)):
        found = "a package, or a folder with one in it"
    else:
        return
    raise PlanRefused(Problem(Code.CONTROL_UNUSABLE, path, "a folder that you may read", found))


def name_too_long(path: bytes) -> Problem:
    """Return the problem of something beside the package whose name the disk does not even look up."""
    found = f"one of {len(os.path.basename(path))} bytes, in a path of {len(path):,}"
    return Problem(Code.NAME_REFUSED, path, "a name that the disk takes", found)
