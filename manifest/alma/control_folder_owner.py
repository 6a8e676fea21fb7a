"""Whose the control folder of a package is: what is in it decides what is linked, moved and removed.

Whoever acts on a plan or a journal does as its writer says, with their own rights. So those of other users are not
acted on, unless the user said that this person is trusted. What root owns is as good as one's own.
"""

import os
import pwd
from collections.abc import Collection, Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, PlanRefused, Problem

_LISTED = (b"manifests", b"finished")  # each file in them is read; what is staged may be links to files of others
_ROOT = 0


def check_owned(package: Package, trusted: Collection[int] = ()) -> None:
    """Refuse a control folder that belongs to somebody else, or in which something does; none at all is fine.

    Args:
        trusted: numbers of users whose things count as one's own.

    Raises:
        PlanRefused: with the path and the owner of each.
        OSError: it cannot be looked at.
    """
    problems = tuple(_foreign(_paths(package), trusted))
    if problems:
        raise PlanRefused(*problems)


def foreign_owner(uid: int, trusted: Collection[int] = ()) -> str:
    """Return who a user is that is neither root, nor oneself, nor trusted; empty for those."""
    return "" if uid in (_ROOT, os.geteuid()) or uid in trusted else named_user(uid)


def named_user(uid: int) -> str:
    """Return name and number of a user, or the number alone where there is no name."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (user {uid})"
    except KeyError:
        return f"user {uid}"


def _paths(package: Package) -> Iterator[bytes]:
    yield package.control
    for folder in (package.control, *(join(package.control, name) for name in _LISTED)):
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):  # a file in a folder's place is told by whoever needs it
            continue
        yield from (join(folder, name) for name in names)


def _foreign(paths: Iterator[bytes], trusted: Collection[int]) -> Iterator[Problem]:
    for path in paths:
        try:
            uid = os.lstat(path).st_uid
        except FileNotFoundError:
            continue
        if owner := foreign_owner(uid, trusted):
            yield Problem(Code.CONTROL_FOREIGN, path, "yours or root's", f"one of {owner}")
            if path.endswith(b".pack"):
                return  # that all in it is theirs as well says nothing more
