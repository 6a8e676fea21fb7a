"""Ownership check: refuses a control folder that another, untrusted user owns or has written to.

Whoever acts on a plan or a journal does as its writer says, with their own rights. So those of other users are not
acted on, unless the user said that this person is trusted. What root owns is as good as one's own.

Owners are looked at by path, before and under the lock, and not again at each file that is opened: whoever may write
to the folder in between can put one file of the user in another's place as well, which no owner shows.
"""

import os
from collections.abc import Collection, Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.presence import is_plain_file, status_of
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.quantity import owner_named

_MANIFESTS = b"manifests"
_LISTED = (_MANIFESTS, b"finished", b"fetched")  # each file in them is read
_ROOT = 0


def check_owned(package: Package, trusted: Collection[int] = ()) -> None:
    """Refuse a control folder if it, or something in it that decides, is another user's; an absent one is accepted.

    Args:
        trusted: numeric ids of users whose files count as one's own.

    Raises:
        Refused: with the path and the owner of each.
        OSError: ownership cannot be read.
    """
    problems: list[Problem] = []
    try:
        for problem in _foreign(_paths(package.control), trusted):
            problems.append(problem)  # counts also where the next folder cannot be listed
    except PermissionError:
        if not problems:
            raise
    if problems:
        raise Refused(*problems)


def is_foreign(uid: int, trusted: Collection[int] = ()) -> bool:
    """Return whether a user is neither root, nor oneself, nor trusted."""
    return uid not in (_ROOT, os.geteuid()) and uid not in trusted


def _paths(control: bytes) -> Iterator[bytes]:
    """Yield all that decides something in a control folder, and the folders that a tree is staged in."""
    yield control
    for folder in (control, *(join(control, name) for name in _LISTED)):
        yield from _in(folder)
    yield from _staged(join(control, b"staging"))
    for transaction in _in(join(control, b"previous")):
        yield from _kept(transaction)


def _staged(staging: bytes) -> Iterator[bytes]:
    """Yield folders and manifests of what is staged; other files may be links to those of others."""
    yield from (path for path in _in(staging) if not is_plain_file(path))
    yield from _in(join(staging, _MANIFESTS))


def _kept(transaction: bytes) -> Iterator[bytes]:
    """Yield what a rollback would give back of a transaction, without tree and ticket files.

    A package that was adopted may have been of somebody else, and what is in it is compared with the manifests.
    """
    yield transaction
    yield (manifests := join(transaction, _MANIFESTS))
    yield from _in(manifests)
    yield from _paths(join(transaction, b"control"))  # of the old name, of a package that was renamed


def _in(folder: bytes) -> Iterator[bytes]:
    """Yield what is in a folder, sorted; nothing if it is none, which is reported where it is needed."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (join(folder, name) for name in names)


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
