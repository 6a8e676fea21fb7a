"""Control folder check: refuses a control folder that cannot be used, before anything in it is read.

What is in a folder that cannot be entered, or behind a link that leads to nothing, looks as if it were not there, and
a package would seem to have no manifests, no plan and nothing to be finished. The folders in it are no links either:
what is staged, kept and removed there would be so wherever they lead.
"""

import errno
import os
import stat

from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.fs.file_kind import kind_at
from qa2pack.manifest.fs.presence import is_plain_folder, is_there, status_of
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused

FOLDERS = (b"manifests", b"finished", b"staging", b"previous", b"fetched")  # all that there are in a control folder
_REPLACED = (b"plan", b"plan.applied")  # by renaming another one over it; what else they are, whoever reads them says


def check_control(path: bytes) -> None:
    """Refuse a path that is not a folder, is a package itself, or may not be entered; an absent path is accepted.

    The folders in it must be folders, too, if they are there, and the plans none.

    Raises:
        Refused: with what it is; or the name is longer than the disk takes.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise Refused(name_too_long(path)) from error
    if found := _other_than_folder(path, mode):
        pass
    elif not os.access(path, os.X_OK):
        found = "a folder that you may not enter"
    elif is_there(join(path, SCIENCE_GOAL)):
        found = "a package, or a folder with one in it"
    else:
        _check_inner(path)
        return
    raise Refused(Problem(Code.CONTROL_UNUSABLE, path, "a folder that you may read", found))


def _check_inner(path: bytes) -> None:
    for folder in (join(path, name) for name in FOLDERS):
        status = status_of(folder)
        if status is not None and (found := _other_than_folder(folder, status.st_mode)):
            raise Refused(Problem(Code.CONTROL_UNUSABLE, folder, "a folder", found))
    for file in (join(path, name) for name in _REPLACED):
        if is_plain_folder(file):
            raise Refused(Problem(Code.CONTROL_UNUSABLE, file, "a file", "a folder"))


def _other_than_folder(path: bytes, mode: int) -> str:
    """Say what stands there if it is no folder; empty if it is one."""
    return "" if stat.S_ISDIR(mode) else kind_at(path, mode)


def name_too_long(path: bytes) -> Problem:
    """Return the problem of something beside the package whose name the disk does not even look up."""
    found = f"one of {len(os.path.basename(path))} bytes, in a path of {len(path):,}"
    return Problem(Code.NAME_REFUSED, path, "a name that the disk takes", found)
