"""Published tree: whether the tree of a commit is at the target already, or still in staging. Read-only.

A tree is known by what it holds: names, kinds and sizes as its manifest says, and the bytes of its README. Its inode
number and the time of its root are hints, which decide between two trees that seem to hold the same if they agree: a
disk that was copied has other numbers, and may have given the old one's to the new. If they do not, both trees are
read. Where both hold the same, all content, either may be taken for the new one: neither has what the other has not.
The tree of a repair lacks what could not be had: if neither tree is whole, the one that lacks less is it, if
both hints agree. Where that does not tell, nothing is decided: to take the old package for the new one would put
links to it in place of the only files of the origin.
"""

import errno
import os
import stat
from enum import IntEnum

from qa2pack.executor.transaction.journal_records import Commit
from qa2pack.executor.transaction.paths import TransactionPaths, published_folders
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder, is_plain_folder, is_there, status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join, path_in
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify.member import verify_tree

_HINT_COUNT = 2  # the number and the time


class UnknownTreeError(Refused):
    """It is not known whether the new package is in place or still in staging; nothing was changed."""

    def __init__(self, target: bytes, root: bytes) -> None:
        super().__init__(*(Problem(Code.TREE_UNKNOWN, path) for path in (target, root)))


class _Likeness(IntEnum):
    """How far a folder matches the tree of the commit."""

    NONE = 0
    WITH_MORE = 1  # everything is there, and unexpected files too
    WHOLE = 2


def is_published(
    paths: TransactionPaths, commit: Commit, *, opened: OpenedFiles, engine: Engine, is_rolling_back: bool = False
) -> bool:
    """Return whether the staged tree is at the target.

    Args:
        is_rolling_back: a rollback was begun: where the manifest of the tree does not exist any more, the tree was
            taken back.

    Raises:
        UnknownTreeError: it is not known.
        StreamError: the manifest is damaged.
        OSError: a path could not be read.
    """
    if not is_folder(os.path.dirname(paths.target)):
        raise UnknownTreeError(paths.target, paths.root)  # the whole package may be elsewhere, with the tree in it
    if paths.publishing.is_removal:
        return not is_there(paths.target)
    is_missing = not is_there(paths.target)
    if is_missing and not paths.publishing.is_exchange and is_there(paths.root):
        return False  # nothing but the new tree is ever in staging
    manifest = _manifest_of(paths, commit, opened)
    if manifest is None:
        if is_rolling_back:
            return False
        raise UnknownTreeError(paths.target, paths.root)
    other = _taken_back(paths) if is_rolling_back else paths.root
    if not is_missing:
        return _is_at_target(paths, commit, manifest, other, engine)
    # An exchange never leaves that. What is left may be the old tree, which may look like the new one.
    if paths.publishing.is_exchange and _hints(commit, paths.target, other) == [False] * _HINT_COUNT:
        return False
    raise UnknownTreeError(paths.target, other)


def _is_at_target(paths: TransactionPaths, commit: Commit, manifest: Described, other: bytes, engine: Engine) -> bool:
    """Return whether the tree is at the target, where something is; raises as `is_published`.

    Args:
        other: where it is else.
    """
    here = _likeness(paths, paths.target, manifest, engine)
    there = _likeness(paths, other, manifest, engine)
    if (here is _Likeness.NONE) is not (there is _Likeness.NONE):
        return here > there  # files that are there besides do not tell: somebody may have put them into either
    hints = _hints(commit, paths.target, other)
    if here is _Likeness.NONE and not is_there(other) and set(hints) == {True}:
        return True  # changed since: believed only if there is no other tree that it could be
    if len(hints) == _HINT_COUNT and len(set(hints)) == 1:
        new, old = (paths.target, other) if hints[0] else (other, paths.target)
        if here is not _Likeness.NONE or _lacks_less(paths, new, old, manifest, engine):
            return hints[0]
    if here is not _Likeness.NONE:
        here = _likeness(paths, paths.target, manifest, engine, is_quick=False)
        there = _likeness(paths, other, manifest, engine, is_quick=False)
        if here is not there and (_Likeness.NONE in (here, there) or set(hints) <= {here > there}):
            return here > there
        if here is there is not _Likeness.NONE and len(set(hints)) == 1:
            return hints[0]
        if here is there is _Likeness.WHOLE:
            return paths.publishing.is_exchange  # of two renames, the new tree is in staging until it is in place
    raise UnknownTreeError(paths.target, other)


def check_target(paths: TransactionPaths, *, is_published: bool) -> None:
    """Refuse to go on where the tree is not at the target, or something else is that it must not take away.

    Raises:
        UnknownTreeError: what was there is moved away: the new tree, or the one that it is exchanged with.
        Refused: something has the name of the new tree.
    """
    if paths.publishing.is_removal:
        return
    is_taken = is_there(paths.target)
    if not is_taken and (is_published or paths.publishing.is_exchange):
        raise UnknownTreeError(paths.target, paths.root)
    is_old = paths.publishing.is_exchange or (paths.publishing.is_two_renames and not is_there(paths.previous_tree))
    if is_taken and not is_published and not is_old:
        raise Refused(Problem(Code.NAME_TAKEN, paths.target), remedies=_GO_ON)


_GO_ON = (
    Remedy("Move it away, then:", ("pack apply PACKAGE",)),
    Remedy("Or give up what was to get the name:", ("pack rollback PACKAGE",)),
)


def _taken_back(paths: TransactionPaths) -> bytes:
    """Return where the new tree goes when it is taken back: with a package that was kept it changes places."""
    if paths.publishing.is_exchange and is_there(paths.previous_tree):
        return paths.previous_tree
    return paths.root


def is_like_target(paths: TransactionPaths, commit: Commit, manifest: Described, *, engine: Engine) -> bool:
    """Return whether the target may be the tree of a finished transaction, perhaps changed since."""
    status = _status_of_folder(paths.target)
    if status is None:
        return False
    return status.st_ino == commit.root_inode or bool(_likeness(paths, paths.target, manifest, engine))


def staged_manifest(paths: TransactionPaths, member: bytes) -> bytes:
    """Return the path of a new member's manifest before it is published."""
    return join(paths.new_manifests, os.path.basename(paths.package.manifest(member)))


def _published_manifest(paths: TransactionPaths) -> bytes:
    return paths.package.manifest(paths.member)


def _manifest_of(paths: TransactionPaths, commit: Commit, opened: OpenedFiles) -> Described | None:
    """Open the manifest of this transaction, not one of the same name of the replaced package."""
    if is_there(staged := staged_manifest(paths, paths.member)):
        return opened.manifest(staged)
    is_new = not commit.had_manifests or is_there(paths.previous_manifests)
    return opened.manifest(_published_manifest(paths)) if is_new and is_there(_published_manifest(paths)) else None


def _hints(commit: Commit, target: bytes, other: bytes) -> list[bool]:
    """Return what the root's number, and its time, say of where it is, if they say anything: True for the target."""
    hints: list[bool] = []
    found = {True: _status_of_folder(target), False: _status_of_folder(other)}
    for known, name in ((commit.root_inode, "st_ino"), (commit.root_mtime_ns, "st_mtime_ns")):
        fitting = [where for where, status in found.items() if status and getattr(status, name) == known]
        hints += fitting if len(fitting) == 1 else []
    return hints


def _status_of_folder(path: bytes) -> os.stat_result | None:
    """Return the state of a folder; none for anything else, to which the number of a removed one is soon given."""
    status = status_of(path)
    return status if status and stat.S_ISDIR(status.st_mode) else None


def _likeness(
    paths: TransactionPaths, root: bytes, manifest: Described, engine: Engine, *, is_quick: bool = True
) -> _Likeness:
    """Compare the tree whose root this would be; of a whole package the folders above the member too."""
    member = root + paths.staged_member.removeprefix(paths.root)
    if not is_plain_folder(root) or not is_plain_folder(member) or not _has_readme(member, manifest):
        return _Likeness.NONE
    likeness = _Likeness.WHOLE if _holds_nothing_else(paths, root) else _Likeness.WITH_MORE
    for problem in verify_tree(member, manifest.stream.blobs(), is_quick=is_quick, engine=engine, progress=Silent()):
        if problem.code is Code.UNREADABLE:
            raise OSError(errno.EIO, str(problem.found), join(member, problem.path))
        if problem.code not in EXTRAS:
            return _Likeness.NONE
        likeness = _Likeness.WITH_MORE
    return likeness


def _lacking(
    paths: TransactionPaths, root: bytes, manifest: Described, engine: Engine, *, is_quick: bool
) -> set[bytes]:
    """Return the paths in the member of what is not there with the kind and size, or content, that the manifest says.

    Of a folder that is missing only the folders in it are there too, not the files.
    """
    member = root + paths.staged_member.removeprefix(paths.root)
    found = verify_tree(member, manifest.stream.blobs(), is_quick=is_quick, engine=engine, progress=Silent())
    return {problem.path for problem in found if problem.code not in EXTRAS}


def _lacks_less(paths: TransactionPaths, new: bytes, old: bytes, manifest: Described, engine: Engine) -> bool:
    """Return whether one tree lacks something of what the other one lacks, and nothing else."""
    # What was repaired may have had its size all the time: then only the content tells.
    return any(_is_less(paths, new, old, manifest, engine, is_quick=is_quick) for is_quick in (True, False))


def _is_less(
    paths: TransactionPaths, new: bytes, old: bytes, manifest: Described, engine: Engine, *, is_quick: bool
) -> bool:
    missing, before = (_lacking(paths, root, manifest, engine, is_quick=is_quick) for root in (new, old))
    return missing != before and all(any(is_within(path, lost) for lost in before) for path in missing)


def _holds_nothing_else(paths: TransactionPaths, root: bytes) -> bool:
    above = published_folders(paths)
    return all(sorted(os.listdir(path_in(root, folder))) == names for folder, names in above.items())


def _has_readme(member: bytes, manifest: Described) -> bool:
    if not manifest.header.readme:
        return True  # its layout has none
    expected = b"" if manifest.header.mode is Mode.FAKE else manifest.header.readme
    status = status_of(join(member, README))
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != len(expected):
        return False
    with opened_file(join(member, README)) as fd:
        return os.read(fd, len(expected) + 1) == expected
