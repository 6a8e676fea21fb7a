"""Ownership check: refuses a control folder that another, untrusted user owns or has written to.

Plan and journal decide what is linked, moved and removed, with the rights of the user who applies them. So files of
other users are not acted on unless the user named that owner as trusted. Files of root count as one's own.
"""

import os
import pwd
from collections.abc import Collection, Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, PlanRefused, Problem

_LISTED = (b"manifests", b"finished")  # each file in them is read; staging is left out: its files may be hard links
_ROOT = 0


def check_owned(package: Package, trusted: Collection[int] = ()) -> None:
    """Refuse a control folder if it, or a file in it, belongs to another user; an absent folder is accepted.

    Args:
        trusted: numeric ids of users whose files count as one's own.

    Raises:
        PlanRefused: with the path and the owner of each.
        OSError: ownership cannot be read.
    """
    problems = tuple(_foreign(_paths(package), trusted))
    if problems:
        raise PlanRefused(*problems)


def foreign_owner(uid: int, trusted: Collection[int] = ()) -> str:
    """Return the name of a user who is neither root, nor oneself, nor trusted; empty for those."""
    return "" if uid in (_ROOT, os.geteuid()) or uid in trusted else named_user(uid)


def named_user(uid: int) -> str:
    """Return name and numeric id of a user, or the id alone where there is no name."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (user {uid})"
    except KeyError:
        return f"user {uid}"


def _paths(package: Package) -> Iterator[bytes]:
    yield package.control
    for folder in (package.control, *(join(package.control, name) for name in _LISTED)):
        try:
            names = sorted(os.listdir(folder))
        except (
            FileNotFoundError,
            NotADirectoryError,
        ):  # reported where the folder is needed
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
                return  # that its content has the same owner adds nothing
