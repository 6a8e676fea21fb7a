"""Where the tree that a commit told of stands: already at the target, or still in staging. Only looks.

A tree is known by what it holds: names, kinds and sizes as its manifest says, and the bytes of its README. Its inode
number and the time of its root are hints, which decide between two trees that hold the same: a disk that was copied
has other numbers, and may have given the old one's to the new. Where that does not tell, nothing is decided: to take
the old package for the new one would put links to it in place of the only files of the origin.
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
    """It cannot be told whether the new package stands at its place or waits in staging; nothing was changed.

    Attributes:
        reason: in words.
        remedy: what to do; `PACKAGE` stands for its path.
    """

    def __init__(self, target: bytes, root: bytes) -> None:
        self.reason = (
            f"it cannot be told whether the new package stands at {shown(target)} or still at {shown(root)}: "
            "neither holds just what its manifest says, or both do"
        )
        self.remedy = (
            "Put back what was changed in these two folders since the stop, from a backup if need be, and give the "
            "same command again. PACKAGE.pack is needed for that: leave it as it is."
        )
        super().__init__(self.reason)


class _Likeness(IntEnum):
    """How far a folder is the tree that is looked for."""

    NONE = 0
    WITH_MORE = 1  # all is there, and something else too
    WHOLE = 2


def is_published(paths: TransactionPaths, commit: Commit, *, engine: Engine, is_rolling_back: bool = False) -> bool:
    """Tell whether the tree that was staged stands at the target.

    Args:
        was_undone: undoing was begun: where the manifest of the tree is nowhere any more, that is done.

    Raises:
        UnknownTreeError: it cannot be told.
        StreamError: the manifest is damaged.
        OSError: something could not be looked at.
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
        return False  # the staged tree goes after it was taken back, and nothing of what is at the target is its
    if here is _Likeness.NONE:  # changed since: believed only if there is no other tree that it could be
        hints = hints if not is_there(paths.root) and hints == {True} else set()
    if len(hints) != 1:
        raise UnknownTreeError(paths.target, paths.root)
    return hints.pop()


def is_like_target(paths: TransactionPaths, commit: Commit, manifest: Described, *, engine: Engine) -> bool:
    """Tell whether what stands at the target may be the tree of a finished transaction, perhaps changed since."""
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
    """Open the transaction's own manifest: one of the same name may be that of the replaced package."""
    if is_there(staged_manifest(paths)):
        return open_manifest(staged_manifest(paths))
    is_new = not commit.had_manifests or is_there(paths.previous_manifests)
    return open_manifest(_published_manifest(paths)) if is_new and is_there(_published_manifest(paths)) else None


def _hints(paths: TransactionPaths, commit: Commit) -> set[bool]:
    """Return what the root's number, and its time, say of where it is: True for the target."""
    hints: set[bool] = set()
    found = {True: status_of(paths.target), False: status_of(paths.root)}
    for known, name in ((commit.root_inode, "st_ino"), (commit.root_mtime_ns, "st_mtime_ns")):
        fitting = [where for where, status in found.items() if status and getattr(status, name) == known]
        hints |= set(fitting) if len(fitting) == 1 else set()
    return hints


def _likeness(paths: TransactionPaths, root: bytes, manifest: Described, engine: Engine) -> _Likeness:
    """Compare the tree whose root this would be; of a whole package the folders above the member too."""
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
    """Return how many folders the member is below the root."""
    return paths.staged_member.removeprefix(paths.root).count(b"/")


def _has_readme(member: bytes, manifest: Described) -> bool:
    expected = b"" if manifest.header.mode is Mode.FAKE else manifest.header.readme
    status = status_of(join(member, README))
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != len(expected):
        return False
    with opened_file(join(member, README)) as fd:
        return os.read(fd, len(expected) + 1) == expected
