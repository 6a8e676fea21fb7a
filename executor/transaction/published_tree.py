"""Published tree: whether the tree of a commit is at the target already, or still in staging. Read-only.

A tree is identified by its content: names, types and sizes as in its manifest, and the bytes of its README. Inode
number and mtime of its root are hints, which decide between two trees of equal content: a copied disk has other inode
numbers, and the new tree may have got the number of the old one. Where that does not decide, an error is raised:
taking the old package for the new one would replace the last copies at the origin by symlinks to it.
"""

import os
import stat
from enum import IntEnum

from qa2pack.executor.transaction.journal import Commit
from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.fs.presence import is_plain_folder, is_there, status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify.member import verify_tree

_MORE = frozenset((Code.EXTRA, Code.EXTRA_FOLDER))


class UnknownTreeError(Exception):
    """It is not known whether the new package is in place or still in staging; nothing was changed.

    Attributes:
        reason: in words.
        remedy: what to do; `PACKAGE` is a placeholder for its path.
    """

    def __init__(self, target: bytes, root: bytes) -> None:
        self.reason = (
            f"it is not known whether the new package is at {shown(target)} or still at {shown(root)}: "
            "neither holds exactly what its manifest says, or both do"
        )
        self.remedy = (
            "Put back what was changed in these two folders since the stop, from a backup if need be, and give the "
            "same command again. PACKAGE.pack is needed for that: leave it as it is."
        )
        super().__init__(self.reason)


class _Likeness(IntEnum):
    """How far a folder matches the tree of the commit."""

    NONE = 0
    WITH_MORE = 1  # everything is there, and unexpected files too
    WHOLE = 2


def is_published(paths: TransactionPaths, commit: Commit, *, engine: Engine, is_rolling_back: bool = False) -> bool:
    """Return whether the staged tree is at the target.

    Args:
        is_rolling_back: a rollback was begun: where the manifest of the tree does not exist any more, the tree was
            taken back.

    Raises:
        UnknownTreeError: it is not known.
        StreamError: the manifest is damaged.
        OSError: a path could not be read.
    """
    if not is_there(paths.target):
        return False
    manifest = _manifest_of(paths, commit)
    if manifest is None:
        if is_rolling_back:
            return False
        raise UnknownTreeError(paths.target, paths.root)
    here = _likeness(paths, paths.target, manifest, engine)
    staged = _likeness(paths, paths.root, manifest, engine)
    if here is not staged:
        return here > staged
    hints = _hints(paths, commit)
    if here is _Likeness.NONE and is_rolling_back and not hints and not is_there(paths.root):
        return False  # the staged tree is removed after it was taken back, and the target is another tree
    if here is _Likeness.NONE:  # changed since: accepted only if it can be no other tree
        hints = hints if not is_there(paths.root) and hints == {True} else set()
    if len(hints) != 1:
        raise UnknownTreeError(paths.target, paths.root)
    return hints.pop()


def is_like_target(paths: TransactionPaths, commit: Commit, manifest: Described, *, engine: Engine) -> bool:
    """Return whether the target may be the tree of a finished transaction, perhaps changed since."""
    status = status_of(paths.target)
    if status is None:
        return False
    return status.st_ino == commit.root_inode or bool(_likeness(paths, paths.target, manifest, engine))


def staged_manifest(paths: TransactionPaths) -> bytes:
    """Return the path of the new member's manifest before it is published."""
    return join(paths.new_manifests, os.path.basename(_published_manifest(paths)))


def _published_manifest(paths: TransactionPaths) -> bytes:
    return paths.package.manifest(join(paths.group, paths.member))


def _manifest_of(paths: TransactionPaths, commit: Commit) -> Described | None:
    """Open the manifest of this transaction, not one of the same name of the replaced package."""
    if is_there(staged_manifest(paths)):
        return open_manifest(staged_manifest(paths))
    is_new = not commit.had_manifests or is_there(paths.previous_manifests)
    return open_manifest(_published_manifest(paths)) if is_new and is_there(_published_manifest(paths)) else None


def _hints(paths: TransactionPaths, commit: Commit) -> set[bool]:
    """Return where inode number and mtime of the root are found: True for the target, False for staging."""
    hints: set[bool] = set()
    found = {True: status_of(paths.target), False: status_of(paths.root)}
    for known, name in ((commit.root_inode, "st_ino"), (commit.root_mtime_ns, "st_mtime_ns")):
        fitting = [where for where, status in found.items() if status and getattr(status, name) == known]
        hints |= set(fitting) if len(fitting) == 1 else set()
    return hints


def _likeness(paths: TransactionPaths, root: bytes, manifest: Described, engine: Engine) -> _Likeness:
    """Compare the tree below this root with the manifest; of a whole package also the folders above the member."""
    member = root + paths.staged_member.removeprefix(paths.root)
    if not is_plain_folder(root) or not is_plain_folder(member) or not _has_readme(member, manifest):
        return _Likeness.NONE
    likeness = _Likeness.WHOLE if _holds_nothing_else(paths, root) else _Likeness.WITH_MORE
    for problem in verify_tree(member, manifest.stream.blobs(), is_quick=True, engine=engine, progress=Silent()):
        if problem.code is Code.UNREADABLE:
            raise OSError(None, problem.found, join(member, problem.path))
        if problem.code not in _MORE:
            return _Likeness.NONE
        likeness = _Likeness.WITH_MORE
    return likeness


def _holds_nothing_else(paths: TransactionPaths, root: bytes) -> bool:
    parts = (SCIENCE_GOAL, paths.group, paths.member)
    for part in parts[len(parts) - _depth(paths) :]:
        if os.listdir(root) != [part]:
            return False
        root = join(root, part)
    return True


def _depth(paths: TransactionPaths) -> int:
    """Return how many levels the member is below the root."""
    return paths.staged_member.removeprefix(paths.root).count(b"/")


def _has_readme(member: bytes, manifest: Described) -> bool:
    expected = b"" if manifest.header.mode is Mode.FAKE else manifest.header.readme
    status = status_of(join(member, README))
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != len(expected):
        return False
    with opened_file(join(member, README)) as fd:
        return os.read(fd, len(expected) + 1) == expected
