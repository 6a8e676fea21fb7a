"""Checks before a rollback: whether it is possible, and every change since the apply. Nothing is changed here.

Each refusal is a `CannotUndoError`; the package stays in place.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.probe.mounts import mounts_in_what_goes
from qa2pack.executor.publish.origin_links import look_at_origin
from qa2pack.executor.publish.origin_presence import missing_disks
from qa2pack.executor.publish.renaming import names_back
from qa2pack.executor.since_repair import since_repair
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import JournalDamagedError, JournalError, read_journal
from qa2pack.executor.transaction.journal_records import Begin, Commit, Published, Publishing, Record, RollBack
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    published_members,
    transaction_paths,
)
from qa2pack.executor.transaction.published_tree import (
    UnknownTreeError,
    is_like_target,
    is_published,
    staged_manifest,
)
from qa2pack.executor.transaction.recovery import Phase, begin_of, commit_of, phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package, manifests_in, member_of_manifest
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, InlineEngine
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.immutable import mark_of
from qa2pack.manifest.fs.meter import Meter, metered
from qa2pack.manifest.fs.presence import is_folder, is_plain_folder, is_there, status_of
from qa2pack.manifest.path import folders_above, is_within, join, path_in
from qa2pack.manifest.plan.lost_sources import lost_sources
from qa2pack.manifest.plan.packaged_file import LOOK_BYTES, Reading
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Remedy
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.manifest.verify.member import verify_tree

_WITHOUT_JOURNAL = (
    Remedy("Restore the journal from a backup, then:", ("pack rollback PACKAGE",)),
    Remedy(
        "Without it this apply cannot be rolled back. The package itself does not need it. To check that:",
        ("pack verify PACKAGE",),
    ),
)


_WITHOUT_MOUNT = (
    Remedy("Unmount it, or put a folder in the place of a subvolume, then:", ("pack rollback PACKAGE",)),
)
_WITHOUT_ORIGIN = (
    Remedy("Mount it, or bring it back to this path, then:", ("pack rollback PACKAGE",)),
    Remedy(
        "If it is gone for good, make its folders again and copy one of its files there from the package, with "
        "cp -p: then this command brings back the others."
    ),
)
_WITHOUT_PREVIOUS = (
    Remedy("Bring it back to where it was in PACKAGE.pack, then:", ("pack rollback PACKAGE",)),
    Remedy("Or leave it, and finish what was stopped:", ("pack apply PACKAGE",)),
)
_WITHOUT_MOVED = (
    Remedy("Put them back into the package, from a backup, then:", ("pack rollback PACKAGE",)),
    Remedy("Or leave it, and finish what was stopped:", ("pack apply PACKAGE",)),
)
_WITH_CHANGES = (
    Remedy("Move away what is new, put back what was changed, then:", ("pack rollback PACKAGE",)),
    Remedy(
        "Or, if there is no backup, give up what is damaged: remove it from the package, then:",
        ("pack rollback PACKAGE",),
    ),
)
_WITHOUT_FOLDER = (Remedy("Move it away, then:", ("pack rollback PACKAGE",)),)
_WITHOUT_PERMISSION = (Remedy("Get permission to write to these folders, then:", ("pack rollback PACKAGE",)),)


def cannot_undo(code: Code, package: Package, files: Iterable[Problem] = ()) -> CannotUndoError:
    """Return the error for a rollback that is not possible; the remedy is that of its reason, not of the files."""
    return CannotUndoError(Problem(code, package.path), *files)


def cannot_put_back(package: Package, problems: Sequence[Problem], *, is_begun: bool) -> CannotUndoError:
    """Return the error for moved files that cannot go back.

    Args:
        is_begun: the rollback is recorded, or the apply has ended: no apply can go on.
    """
    if all(problem.code is not Code.MOVED_LOST for problem in problems):
        return cannot_undo(Code.ORIGIN_IN_THE_WAY, package, problems)
    remedies = () if is_begun else _WITHOUT_MOVED
    return CannotUndoError(Problem(Code.MOVED_LOST, package.path), *problems, remedies=remedies)


_RECEIVE_AGAIN = Remedy(
    "To have the earlier state again, receive the delivery that it came in:",
    ("pack receive DELIVERY PACKAGE --replace",),
)
_UNKNOWN_ORIGIN = (
    Remedy("To have the member again, if it was received, receive it again:", ("pack receive DELIVERY PACKAGE",)),
    Remedy("Else copy it back into the package from where it is, and adopt it:", ("pack adopt PACKAGE",)),
)


def _make_again(begin: Begin, package: Package) -> tuple[Remedy, ...]:
    """Return how to have again what was not kept; empty where it is replaced by what was packaged."""
    if begin.publishing.is_removal:
        return _UNKNOWN_ORIGIN if is_within(begin.origin, package.path) else _add_again(begin)
    return (_RECEIVE_AGAIN,) if begin.received else ()


def _add_again(begin: Begin) -> tuple[Remedy, ...]:
    """Return how to have a removed member again that was not kept."""
    how = "--append member" + (f" --mode {begin.mode}" if begin.mode else "")
    plan = Remedy(
        "To have the member again, make it from its origin:", (f"pack plan PATH PACKAGE {how}",), begin.origin
    )
    return (plan, Remedy("Then:", ("pack apply PACKAGE",)))


def check_stopped(
    package: Package,
    records: Sequence[Record],
    *,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    stop: Stop = NEVER,
) -> None:
    """Refuse, before anything is changed, a rollback of a stopped transaction that could not be completed.

    So is one that would lose what somebody did in the published tree since. A rollback that goes on is checked again.
    """
    begin, commit = begin_of(records), commit_of(records)
    paths = transaction_paths(package, begin)
    if commit is None or is_gone(paths, records, opened=opened, engine=engine, disk=disk):
        return
    is_rolling_back = any(isinstance(record, RollBack) for record in records)
    is_visible = is_published(paths, commit, opened=opened, engine=engine, is_rolling_back=is_rolling_back)
    _check_previous(paths, is_visible=is_visible)
    if not is_visible and phase_of(records) is Phase.PUBLISHED:  # what was published is not there any more
        raise UnknownTreeError(paths.target, paths.root)
    if is_visible:
        check_places(paths)
        changes = _Comparison(paths, begin, opened, engine, progress, stop).changes()
        names = _NamesInTree(paths.target)
        _refuse_changes(paths, tuple(change for change in changes if _is_lost(change, names)), _WITH_CHANGES)
        changed = frozenset(change.path for change in changes)
        check_origin(paths, opened=opened, engine=engine, disk=disk, changed=changed, is_recorded=is_rolling_back)


def is_gone(
    paths: TransactionPaths, records: Sequence[Record], *, opened: OpenedFiles, engine: Engine, disk: Disk
) -> bool:
    """Return whether a new tree is nowhere any more, and nothing relies on it: nothing gave way, the origin is whole.

    Somebody removed it; or a power cut did that, in a rollback by an older program. Where the folder above is not
    there either, that may be elsewhere, with the tree in it.
    """
    if paths.publishing.has_previous or is_there(paths.target) or is_there(paths.root):
        return False
    if not is_folder(os.path.dirname(paths.target)):
        return False
    if not any(isinstance(record, Published) for record in records):
        return True  # the origin is changed only later
    with suppress(StreamError, FileNotFoundError):
        manifest = published_manifest(paths, opened)
        member = paths.package.member(manifest.header.member)
        found = look_at_origin(manifest, member, engine=engine, disk=disk)
        return not (manifest.notes.relinks or found.problems or found.given_up)
    return False


def _check_previous(paths: TransactionPaths, *, is_visible: bool) -> None:
    """Refuse where what was replaced cannot come back: it is not kept, or something else has its place by now."""
    if paths.publishing is Publishing.RENAME:
        in_the_way = [old for kept, old in names_back(paths) if is_there(kept) and is_there(old)]
    elif not paths.publishing.has_previous:
        return
    elif is_visible and not is_there(kept_tree(paths)):
        raise CannotUndoError(Problem(Code.PREVIOUS_GONE, paths.package.path), remedies=_WITHOUT_PREVIOUS)
    else:
        is_taken = not is_visible and not paths.publishing.is_exchange and is_there(paths.previous_tree)
        in_the_way = [paths.target] if is_taken and is_there(paths.target) else []
    if in_the_way:
        raise CannotUndoError(*(Problem(Code.NAME_TAKEN, path) for path in in_the_way), remedies=_WITHOUT_FOLDER)


class _NamesInTree:
    """How many names files have in a tree; it is listed when that is first asked."""

    def __init__(self, tree: bytes) -> None:
        self.tree = tree
        self._counts: Counter[tuple[int, int]] | None = None

    def are_all(self, status: os.stat_result) -> bool:
        """Return whether a file has no name elsewhere."""
        if status.st_nlink == 1:
            return True
        if self._counts is None:
            folders = os.walk(self.tree, onerror=_raise)
            found = (os.lstat(join(folder, name)) for folder, _, names in folders for name in names)
            self._counts = Counter((each.st_dev, each.st_ino) for each in found)
        return self._counts[status.st_dev, status.st_ino] >= status.st_nlink


def _raise(error: OSError) -> None:
    raise error


def _is_lost(change: Problem, names: _NamesInTree) -> bool:
    """Return whether a change would go with the published tree: not if the file is missing, or has another name."""
    if not is_within(change.path, names.tree):  # a manifest: it is not known what was changed
        return True
    status = status_of(change.path)
    if status is None:
        return False
    return change.code in EXTRAS or not stat.S_ISREG(status.st_mode) or names.are_all(status)


def check_places(paths: TransactionPaths) -> None:
    """Refuse to unpublish the package where the system would not let it be taken away.

    What is mounted in it would be removed with it, before the system refuses. A folder that gets another parent must
    itself be writable, because its `..` changes: rename(2), EACCES.
    """
    if mounts := list(mounts_in_what_goes(paths)):
        raise CannotUndoError(*mounts, remedies=_WITHOUT_MOUNT)
    tickets = [path for path in paths.package.tickets if is_plain_folder(path)]  # which no file can replace
    if tickets:
        in_the_way = (Problem(Code.TICKET_IN_THE_WAY, path, found="a folder") for path in tickets)
        raise CannotUndoError(*in_the_way, remedies=_WITHOUT_FOLDER)
    target = () if paths.publishing.is_removal else (paths.target,)
    found = {os.path.dirname(path): "sticky" for path in (*target, *paths.package.tickets) if _is_kept_by_owner(path)}
    for place in (paths.package.parent, os.path.dirname(paths.target), *target):
        mark = mark_of(place)
        if mark or not os.access(place, os.W_OK | os.X_OK):
            found[place] = mark
    problems = [Problem(Code.NOT_WRITABLE, place, found=mark) for place, mark in found.items()]
    if problems:
        raise CannotUndoError(*problems, remedies=_WITHOUT_PERMISSION)


def _is_kept_by_owner(path: bytes) -> bool:
    """Return whether the path is another user's, in a folder with the sticky bit, as /tmp has: unlink(2), EPERM."""
    status, folder = status_of(path), os.stat(os.path.dirname(path))
    if status is None or not folder.st_mode & stat.S_ISVTX:
        return False
    return os.geteuid() not in (0, folder.st_uid, status.st_uid)


def check_origin(
    paths: TransactionPaths,
    *,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    changed: frozenset[bytes] = frozenset(),
    is_recorded: bool | None = None,
) -> None:
    """Refuse to unpublish the package while a moved file cannot go back, whose last copy the package has.

    Args:
        changed: paths of packaged files that may go with it, and are not as packaged: what was moved is not in them.
        is_recorded: the rollback is: it must be finished, so what is given up does not keep it from that; None if the
            apply has ended.
    """
    if paths.publishing.is_removal or paths.publishing is Publishing.RENAME:
        return  # no file goes back to the origin
    manifest = published_manifest(paths, opened)
    if (manifest.header.mode is Mode.MOVE or manifest.notes.relinks) and (missing := missing_disks(manifest)):
        raise CannotUndoError(*missing, remedies=_WITHOUT_ORIGIN)
    if manifest.header.mode is Mode.MOVE:
        member = paths.package.member(manifest.header.member)
        found = look_at_origin(manifest, member, engine=engine, disk=disk, changed=changed)
        problems = found.problems if is_recorded else [*found.problems, *found.given_up]
        if problems:
            raise cannot_put_back(paths.package, problems, is_begun=is_recorded is not False)


def ended_journal(path: bytes) -> Sequence[Record]:
    """Return the records of a filed journal; the package does not need it, but a rollback does."""
    try:
        records = read_journal(path)
        if phase_of(records) is not Phase.ENDED:
            raise JournalDamagedError(path, "is damaged: its end is missing")
    except JournalError as error:
        raise CannotUndoError(*error.problems, remedies=_WITHOUT_JOURNAL) from error
    return records


def check_finished(
    paths: TransactionPaths,
    records: Sequence[Record],
    *,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    is_quick: bool = False,
    stop: Stop = NEVER,
) -> Commit:
    """Refuse, before anything is changed, the rollback of a finished transaction; return its commit.

    What takes no time comes first, so that nobody waits for a comparison of all content to be refused for it.

    Args:
        is_quick: compare names, types and sizes only, and little content of the origin.
    """
    begin, commit = begin_of(records), commit_of(records)
    if commit is None or not _may_be_published(paths, commit, opened, engine=engine):
        raise cannot_undo(Code.NOT_AS_APPLIED, paths.package)
    if begin.publishing.has_previous and not (begin.keeps_previous and is_there(paths.previous_tree)):
        raise CannotUndoError(
            Problem(Code.PREVIOUS_GONE, paths.package.path),
            remedies=_make_again(begin, paths.package),
        )
    if paths.publishing is Publishing.RENAME:
        _check_old_name(paths)
    check_places(paths)
    _refuse_changes(paths, _Comparison(paths, begin, opened, engine, progress, stop, is_quick).changes())
    check_origin(paths, opened=opened, engine=engine, disk=disk)
    return commit


def _refuse_changes(paths: TransactionPaths, problems: Sequence[Problem], remedies: tuple[Remedy, ...] = ()) -> None:
    if any(problem.code is Code.UNREADABLE for problem in problems):
        raise cannot_undo(Code.NOT_COMPARABLE, paths.package, problems)
    if problems:
        raise CannotUndoError(Problem(Code.CHANGED_SINCE, paths.package.path), *problems, remedies=remedies)


def _check_old_name(paths: TransactionPaths) -> None:
    """Refuse to give a package its old name back that something else has by now."""
    old = paths.old_package
    taken = [Problem(Code.NAME_TAKEN, path) for path in (old.path, old.control, *old.tickets) if is_there(path)]
    if taken:
        raise CannotUndoError(*taken)


def rollback_obstacles(package: Package, opened: OpenedFiles) -> tuple[Problem, ...]:
    """Return why the last finished apply cannot be rolled back, the reason first; empty if nothing is known.

    Little content is read, so a rollback may still be refused for a file that was changed and kept its size.

    Raises:
        OSError: a path cannot be read.
    """
    path = last_finished(package)
    if path is None:
        return ()
    try:
        records = ended_journal(path)
        paths = transaction_paths(package, begin_of(records))
        check_finished(
            paths, records, opened=opened, engine=InlineEngine(), disk=Disk(), progress=Silent(), is_quick=True
        )
    except CannotUndoError as error:
        return error.problems
    return ()


def _may_be_published(paths: TransactionPaths, commit: Commit, opened: OpenedFiles, *, engine: Engine) -> bool:
    """Return whether the target may be the tree of the apply; changes in it are reported later."""
    if paths.publishing.is_removal:
        return not is_there(paths.target)
    try:
        manifest = published_manifest(paths, opened)
    except (StreamError, FileNotFoundError):
        return is_there(paths.target)
    return is_like_target(paths, commit, manifest, engine=engine)


def published_manifest(paths: TransactionPaths, opened: OpenedFiles) -> Described:
    """Open the manifest of the published member, which may not be published itself yet."""
    return opened.manifest_of(paths.member, _manifest_path(paths, paths.member))


def _manifest_path(paths: TransactionPaths, member: bytes) -> bytes:
    staged = staged_manifest(paths, member)
    return staged if is_there(staged) else paths.package.manifest(member)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares the published tree, and what it was made of, with what the apply left.

    Attributes:
        is_quick: names, types and sizes only, and little content of the origin.
    """

    paths: TransactionPaths
    begin: Begin
    opened: OpenedFiles
    engine: Engine
    progress: Progress
    stop: Stop
    is_quick: bool = False

    def changes(self) -> tuple[Problem, ...]:
        """Return the problems of removing the published tree: every change since the apply."""
        if self.paths.publishing.is_removal:
            return ()
        members = _made_members(self.paths)
        found = [change for member in members for change in self._changes_in(member)]
        return (*found, *_neighbours(self.paths, members))

    def _changes_in(self, member: bytes) -> Iterable[Problem]:
        try:
            manifest = self.opened.manifest_of(member, _manifest_path(self.paths, member))
        except StreamError as error:
            return (unusable_manifest(error),)
        except FileNotFoundError as error:
            return (Problem(Code.MANIFEST_MISSING, os.fsencode(error.filename)),)
        folder = self.paths.package.member(member)
        self._check_sources(manifest, member)
        notes = manifest.notes
        self.progress.phase("verify", file_count=notes.file_count, byte_count=notes.byte_count)
        found = verify_tree(
            folder, manifest.stream.blobs(), is_quick=self.is_quick, engine=self.engine, progress=self.progress
        )
        changes = since_repair(list(found), folder, self.paths.package, self.begin, self.opened)
        return (replace(problem, path=join(folder, problem.path).rstrip(b"/")) for problem in changes)

    def _check_sources(self, manifest: Described, member: bytes) -> None:
        """Refuse what the package alone has, if it was not moved."""
        folder, kept = self.paths.package.member(member), kept_member(self.paths, member)
        looking = lost_sources(
            manifest,
            folder,
            kept,
            going=self.paths.target,
            reading=Reading(LOOK_BYTES) if self.is_quick else Reading(),
            engine=InlineEngine() if self.is_quick else self.engine,
            progress=self.progress,
        )
        with metered(Meter(lambda byte_count: self.stop.check())):
            lost = sorted(looking, key=lambda problem: problem.path)
        if lost:
            raise cannot_undo(Code.ORIGIN_LOST, self.paths.package, lost)


def _made_members(paths: TransactionPaths) -> list[bytes]:
    """Return the members of the published tree, whose manifests may not be published yet."""
    if paths.publishing is Publishing.RENAME and is_folder(paths.new_manifests):
        return [member_of_manifest(name) for name in manifests_in(paths.new_manifests)]
    return published_members(paths)


def kept_member(paths: TransactionPaths, member: bytes) -> bytes:
    """Return the folder of the member in the package that is kept for the rollback; empty if nothing was replaced."""
    if not paths.publishing.has_previous:
        return b""
    return kept_tree(paths) + paths.staged(member).removeprefix(paths.root)


def kept_tree(paths: TransactionPaths) -> bytes:
    """Return where the tree that was replaced is until it comes back: until its step, where publishing left it."""
    if is_there(paths.previous_tree):
        return paths.previous_tree
    if paths.publishing is Publishing.RENAME:
        return paths.old_package.path
    return paths.root if paths.publishing.is_exchange else paths.previous_tree


def _neighbours(paths: TransactionPaths, members: Iterable[bytes]) -> tuple[Problem, ...]:
    """Return the unexpected entries of the folders above the members, which would be removed."""
    in_target = (paths.package.member(member).removeprefix(paths.target)[1:] for member in members)
    return tuple(
        Problem(Code.EXTRA, os.path.join(folder, name))
        for above, own in folders_above(in_target).items()
        for folder in (path_in(paths.target, above),)
        if is_folder(folder)
        for name in sorted(os.listdir(folder))
        if name not in own
    )
