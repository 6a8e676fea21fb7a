"""Checks before a rollback: whether it is possible, and every change since the apply. Nothing is changed here.

Each refusal is a `CannotUndoError`; the package stays in place.
"""

import math
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.probe.mounts import mounts_in_what_goes
from qa2pack.executor.publish.origin_links import look_at_origin
from qa2pack.executor.publish.origin_presence import missing_disks
from qa2pack.executor.since_repair import since_repair
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import JournalDamagedError, JournalError, read_journal
from qa2pack.executor.transaction.journal_records import Begin, Commit, Publishing, Record, RollBack
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    published_folders,
    published_members,
    transaction_paths,
)
from qa2pack.executor.transaction.published_tree import is_like_target, is_published, staged_manifest
from qa2pack.executor.transaction.recovery import Phase, begin_of, commit_of, phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import Engine, InlineEngine
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.immutable import mark_of
from qa2pack.manifest.fs.presence import is_folder, is_plain_folder, is_there, status_of
from qa2pack.manifest.path import is_within, join, path_in
from qa2pack.manifest.plan.origin_files import lost_sources
from qa2pack.manifest.problem import Code, Problem, Remedy
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.manifest.verify.member import verify_tree

_READ_BYTES = 256 << 20  # of the origin, where only a look is wanted: a second or two

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
_WITHOUT_FOLDER = (Remedy("Move it away, then:", ("pack rollback PACKAGE",)),)
_WITHOUT_PERMISSION = (Remedy("Get permission to write to these folders, then:", ("pack rollback PACKAGE",)),)


def cannot_undo(code: Code, package: Package, files: Iterable[Problem] = ()) -> CannotUndoError:
    """Return the error for a rollback that is not possible; the remedy is that of its reason, not of the files."""
    return CannotUndoError(Problem(code, package.path), *files)


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


def check_published(
    package: Package, records: Sequence[Record], *, opened: OpenedFiles, engine: Engine, disk: Disk
) -> None:
    """Refuse, before anything is changed, a rollback that could not be completed."""
    paths, commit = transaction_paths(package, begin_of(records)), commit_of(records)
    is_rolling_back = any(isinstance(record, RollBack) for record in records)
    if commit is not None and is_published(
        paths, commit, opened=opened, engine=engine, is_rolling_back=is_rolling_back
    ):
        check_places(paths)
        check_origin(paths, opened=opened, engine=engine, disk=disk)


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


def check_origin(paths: TransactionPaths, *, opened: OpenedFiles, engine: Engine, disk: Disk) -> None:
    """Refuse to unpublish the package while a moved file cannot go back: the package has its last copy."""
    if paths.publishing.is_removal or paths.publishing is Publishing.RENAME:
        return  # no file goes back to the origin
    manifest = published_manifest(paths, opened)
    if (manifest.header.mode is Mode.MOVE or manifest.notes.relinks) and (missing := missing_disks(manifest)):
        raise CannotUndoError(*missing, remedies=_WITHOUT_ORIGIN)
    if manifest.header.mode is Mode.MOVE:
        member = paths.package.member(manifest.header.member)
        problems = look_at_origin(manifest, member, engine=engine, disk=disk)
        if problems:
            raise cannot_undo(Code.ORIGIN_IN_THE_WAY, paths.package, problems)


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
    problems = _changes(paths, begin, opened, engine=engine, progress=progress, is_quick=is_quick)
    if any(problem.code is Code.UNREADABLE for problem in problems):
        raise cannot_undo(Code.NOT_COMPARABLE, paths.package, problems)
    if problems:
        raise cannot_undo(Code.CHANGED_SINCE, paths.package, problems)
    check_origin(paths, opened=opened, engine=engine, disk=disk)
    return commit


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
    staged = staged_manifest(paths)
    path = paths.package.manifest(paths.member)
    return opened.manifest_of(paths.member, staged if is_there(staged) else path)


def _changes(
    paths: TransactionPaths, begin: Begin, opened: OpenedFiles, *, engine: Engine, progress: Progress, is_quick: bool
) -> tuple[Problem, ...]:
    """Return the problems of removing the published tree: every change since the apply."""
    if paths.publishing.is_removal:
        return ()
    found: list[Problem] = []
    for member in published_members(paths):
        found += _changes_in(member, paths, begin, opened, engine=engine, progress=progress, is_quick=is_quick)
    return (*found, *_neighbours(paths))


def _changes_in(
    member: bytes,
    paths: TransactionPaths,
    begin: Begin,
    opened: OpenedFiles,
    *,
    engine: Engine,
    progress: Progress,
    is_quick: bool,
) -> Iterable[Problem]:
    try:
        manifest = opened.manifest_of(member, paths.package.manifest(member))
    except StreamError as error:
        return (unusable_manifest(error),)
    except FileNotFoundError as error:
        return (Problem(Code.MANIFEST_MISSING, os.fsencode(error.filename)),)
    folder = paths.package.member(member)
    read_bytes = _READ_BYTES if is_quick else math.inf
    if lost := tuple(lost_sources(manifest, folder, kept_member(paths, member), read_bytes=read_bytes)):
        raise cannot_undo(Code.ORIGIN_LOST, paths.package, lost)
    notes = manifest.notes
    progress.phase("verify", file_count=notes.file_count, byte_count=notes.byte_count)
    found = verify_tree(folder, manifest.stream.blobs(), is_quick=is_quick, engine=engine, progress=progress)
    changes = since_repair(list(found), folder, paths.package, begin, opened)
    return (replace(problem, path=join(folder, problem.path).rstrip(b"/")) for problem in changes)


def kept_member(paths: TransactionPaths, member: bytes) -> bytes:
    """Return the folder of the member in the package that is kept for the rollback; empty if nothing was replaced."""
    if not paths.publishing.has_previous:
        return b""
    return paths.previous_tree + paths.staged(member).removeprefix(paths.root)


def _neighbours(paths: TransactionPaths) -> tuple[Problem, ...]:
    """Return the unexpected entries of the folders that would be removed."""
    if paths.publishing is Publishing.RENAME:
        state, package = read_state(paths.package), paths.package
        others = (
            *(join(package.path, name) for name in state.unexpected),
            *map(package.member, state.without_manifest),
        )
        return tuple(Problem(Code.EXTRA, path) for path in others)
    return tuple(
        Problem(Code.EXTRA, os.path.join(folder, name))
        for above, own in published_folders(paths).items()
        for folder in (path_in(paths.target, above),)
        if is_folder(folder)
        for name in sorted(os.listdir(folder))
        if name not in own
    )
