"""Control folder check: refuses a control folder that cannot be used, before anything in it is read.

The content of a folder that cannot be entered, or of a dangling symlink, looks absent. The package would then seem to
have no manifests, no plan and no unfinished transaction.
"""

import os
import stat

from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, PlanRefused, Problem


def check_control(path: bytes) -> None:
    """Refuse a path that is not a folder, is a package itself, or may not be entered; an absent path is accepted.

    Raises:
        PlanRefused: says what is there instead.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
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
