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

ENDING = b".pack"
FOLDERS = (b"manifests", b"finished", b"staging", b"previous", b"fetched")  # all that there are in a control folder
_REPLACED = (b"plan", b"plan.applied")  # by renaming another one over it; what else they are, whoever reads them says
_SIGNS = (b"lock", b"plan", b"journal", b"manifests")
_STEMS = frozenset({*FOLDERS, *_SIGNS, b"renaming", b"probe"})  # of all names that there are, as plan.applied


def check_control(path: bytes) -> None:
    """Refuse a path that is not a folder, is of something else, or may not be entered; an absent path is accepted.

    A package there, of whatever layout, is known by the control folder that it has itself. The folders in it must be
    folders, too, if they are there, and the plans none.

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
    if found := _other_than_folder(path, mode) or _in_its_place(path):
        raise Refused(Problem(Code.CONTROL_UNUSABLE, path, "a folder that you may read", found))
    _check_inner(path)


def is_control(folder: bytes) -> bool:
    """Return whether a folder is a control folder, whether or not its package exists."""
    return folder.endswith(ENDING) and any(is_there(join(folder, name)) for name in _SIGNS)


def _in_its_place(path: bytes) -> str:
    """Say what a folder is that cannot be used as a control folder; empty if it can."""
    if not os.access(path, os.X_OK):
        return "a folder that you may not enter"
    if is_there(join(path, SCIENCE_GOAL)) or is_control(path + ENDING):
        return "a package, or a folder with one in it"
    return "" if _may_be_control(path) else "a folder of something else"


def _may_be_control(folder: bytes) -> bool:
    """Return whether a folder is empty but for hidden files of others, or has a name of a control folder in it."""
    try:
        names = os.listdir(folder)
    except PermissionError:
        return True  # reported where it is read
    return all(name.startswith(b".") for name in names) or any(name.split(b".")[0] in _STEMS for name in names)


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
