"""Ownership check: refuses a control folder that another, untrusted user owns or has written to.

Whoever acts on a plan or a journal does as its writer says, with their own rights. So those of other users are not
acted on, unless the user said that this person is trusted. What root owns is as good as one's own.

Owners are looked at by path, before and under the lock, and not again at each file that is opened: whoever may write
to the folder in between can put one file of the user in another's place as well, which no owner shows.
"""

import os
import stat
from collections.abc import Collection, Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.quantity import owner_named

_LISTED = (b"manifests", b"finished", b"fetched")  # each file in them is read
_KEPT = (b"staging", b"previous")  # files in them may be links to those of others; folders are nobody else's
_ROOT = 0


def check_owned(package: Package, trusted: Collection[int] = ()) -> None:
    """Refuse a control folder if it, or a file in it, belongs to another user; an absent folder is accepted.

    Args:
        trusted: numeric ids of users whose files count as one's own.

    Raises:
        Refused: with the path and the owner of each.
        OSError: ownership cannot be read.
    """
    problems = tuple(_foreign(_paths(package), trusted))
    if problems:
        raise Refused(*problems)


def is_foreign(uid: int, trusted: Collection[int] = ()) -> bool:
    """Return whether a user is neither root, nor oneself, nor trusted."""
    return uid not in (_ROOT, os.geteuid()) and uid not in trusted


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
    for folder in (join(package.control, name) for name in _KEPT):
        yield from _folders_below(folder)


def _folders_below(folder: bytes) -> Iterator[bytes]:
    """Yield the folders in a folder, if it is one: all that a tree stands on that is staged or kept."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in (join(folder, name) for name in names):
        status = status_of(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield path


def _foreign(paths: Iterator[bytes], trusted: Collection[int]) -> Iterator[Problem]:
    for path in paths:
        status = status_of(path)
        if status is None:
            continue
        if is_foreign(status.st_uid, trusted):
            owner = owner_named(status.st_uid, "one of")
            yield Problem(Code.CONTROL_FOREIGN, path, "yours or root's", owner)
            if path.endswith(b".pack"):
                return  # that its content has the same owner adds nothing
