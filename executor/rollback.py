"""Rollback of an unfinished transaction, or of the last finished one.

Afterwards package and origin are as before the transaction began. The rollback is first recorded in the journal, and
each of its steps is idempotent, so it can be stopped anywhere and resumed. While it is unfinished, nothing else can
be done with the package.
"""

import errno
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.publish.origin_links import look_at_origin, put_back
from qa2pack.executor.publish.publish import file_journal, unpublish
from qa2pack.executor.remake import remake_previous
from qa2pack.executor.stage.batch import make_folders
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.tickets.write import ChangedFileError
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import (
    Begin,
    Commit,
    JournalDamagedError,
    JournalError,
    Record,
    RollBack,
    continue_journal,
    read_journal,
)
from qa2pack.executor.transaction.lock import NO_WAIT, Wait, locked_for_writing, when_free
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    journal_path,
    litter_paths,
    lock_path,
    probe_paths,
    transaction_paths,
)
from qa2pack.executor.transaction.published_tree import is_like_target, is_published, staged_manifest
from qa2pack.executor.transaction.recovery import Facts, Goal, Phase, Step, begin_of, decide, phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.plan.origin_files import lost_sources
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.verify.member import verify_tree

_WITHOUT_JOURNAL = (
    Remedy("Restore the journal from a backup, then:", ("pack rollback PACKAGE",)),
    Remedy(
        "Without it this apply cannot be rolled back. The package itself does not need it. To check that:",
        ("pack verify PACKAGE",),
    ),
)


class CannotUndoError(Refused):
    """A rollback is not possible in the present state; nothing is lost, and the package stays in place.

    The name is part of the Python interface. The first of the problems is the reason, the others are the files that
    make it so.
    """


def _cannot_undo(code: Code, package: Package, files: Iterable[Problem] = ()) -> CannotUndoError:
    """Return the error for a rollback that is not possible; the remedy is that of its reason, not of the files."""
    return CannotUndoError(Problem(code, package.path), *files)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Result of a rollback.

    Attributes:
        member: `group/member` that was removed; empty if there was nothing to roll back.
        was_finished: the transaction was a finished one.
    """

    member: bytes = b""
    was_finished: bool = False


def roll_back_package(  # noqa: PLR0913 - what a rollback works with, and how it may be kept from it
    package: Package,
    *,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    further: bool = True,
    trusted: frozenset[int] = frozenset(),
    stop: Stop = NEVER,
    opened: OpenedFiles | None = None,
    wait: Wait = NO_WAIT,
) -> RolledBack:
    """Roll back the unfinished transaction; if there is none, the last finished one.

    Args:
        stop: checked between steps and while folders are removed.
        further: False refuses to roll back a finished transaction while a plan waits, as is the case after a
            rollback: a command that is given twice must not roll back twice.
        trusted: numeric ids of users whose control folder is also accepted.
        opened: the plans and manifests that are open already.
        wait: for another process that holds the lock.

    Raises:
        CannotUndoError: it is not possible any more; says why, nothing was changed.
        UnknownTreeError: it is not known whether the stopped transaction was published; nothing was changed.
        Refused: there is no package, or its control folder cannot be used.
        LockedError: the package is locked by another process.
        InterruptedByUser: a stop was requested; the same call resumes later.
        OSError: the disk fails; the same call resumes later.
    """
    opened = opened or OpenedFiles()
    check_control(package.control)
    if not is_folder(package.control):
        raise _without_control(package)
    with when_free(locked_for_writing, lock_path(package), wait, stop):
        check_owned(package, trusted)
        records = read_journal(journal_path(package))
        step = decide(records, Facts(None), Goal.ROLL_BACK)
        if step is Step.FILE_JOURNAL:
            file_journal(transaction_paths(package, begin_of(records)), disk)
            records, step = (), Step.NOTHING
        if step is Step.TOO_LATE:
            raise _cannot_undo(Code.ROLLBACK_TOO_LATE, package)
        if step is Step.NOTHING:
            for path in litter_paths(package):
                remove_tree(disk, path)
            if not further and is_there(package.plan) and last_finished(package):
                raise _cannot_undo(Code.PLAN_WAITS, package)
            return _roll_back_finished(package, opened=opened, engine=engine, disk=disk, progress=progress, stop=stop)
        begin = begin_of(records)
        _check_published(package, records, opened=opened, engine=engine, disk=disk)
        roll_back(package, records, opened=opened, engine=engine, disk=disk, stop=stop)
        return RolledBack(begin.group + b"/" + begin.member)


def _without_control(package: Package) -> Refused:
    """Return the error for a path without a control folder: a package without one, or a mistyped path."""
    state = read_state(package)
    if not state.members:
        return Refused(no_package(package, state))
    return CannotUndoError(Problem(Code.CONTROL_MISSING, package.control))


def roll_back(
    package: Package,
    records: Sequence[Record],
    *,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    stop: Stop = NEVER,
) -> None:
    """Roll back the transaction of the journal, and remove the journal last; the caller holds the lock.

    Raises:
        InterruptedByUser: a stop was requested; to be called again.
        OSError: the disk fails; nothing of the origin or of the old package is lost.
    """
    paths = transaction_paths(package, begin_of(records))
    commit = _commit_of(records)
    if not any(isinstance(record, RollBack) for record in records):
        try:
            _note_rolling_back(package, disk)
        except OSError as error:
            if commit is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # A rollback is how a user frees space on a full disk. Before the commit, staging may be removed anytime.
            remove_tree(disk, paths.staging, stop=stop)
            _note_rolling_back(package, disk)
    stop.check()
    if commit is not None:
        _roll_back_published(paths, commit, opened=opened, engine=engine, disk=disk)
        # Removed first: a missing manifest shows that the tree was taken back, whatever is left of it.
        remove_tree(disk, paths.new_manifests)
        if is_folder(paths.staging):
            sync_folder(disk, paths.staging)
    remove_tree(disk, paths.staging, stop=stop)
    remove_tree(disk, paths.previous, stop=stop)
    folder = os.path.dirname(paths.previous)
    if is_folder(folder) and not os.listdir(folder):
        disk.rmdir(folder)
    _restore_plan(package, begin_of(records), opened, disk)
    for probe in probe_paths(package):  # a power cut may restore one
        remove_tree(disk, probe)
    sync_folder(disk, package.control)
    disk.unlink(journal_path(package))
    sync_folder(disk, package.control)


def _note_rolling_back(package: Package, disk: Disk) -> None:
    journal = continue_journal(journal_path(package), disk)
    try:
        journal.append_durably(RollBack(time.time_ns()))
    finally:
        journal.close()


def _restore_plan(package: Package, begin: Begin, opened: OpenedFiles, disk: Disk) -> None:
    """Make the applied plan the waiting plan again, if the transaction came that far."""
    if is_there(package.plan) or not is_there(package.last_plan):
        return
    with suppress(StreamError):
        if opened.peek(package.last_plan).digest == begin.plan:
            disk.replace(package.last_plan, package.plan)


def _roll_back_published(
    paths: TransactionPaths, commit: Commit, *, opened: OpenedFiles, engine: Engine, disk: Disk
) -> None:
    """First put the origin files back, while the package still has their content, then unpublish the package."""
    is_visible = is_published(paths, commit, opened=opened, engine=engine, is_rolling_back=True)
    if is_visible:
        _restore_origin(paths, opened=opened, engine=engine, disk=disk)
    _make_staging(paths, disk)
    unpublish(paths, commit, disk, is_published=is_visible)


def _make_staging(paths: TransactionPaths, disk: Disk) -> None:
    """Make the folders that what is taken away goes to: a finished transaction has no staging any more.

    They are on the disk before anything goes there. Else a power cut could keep the package's going and lose the
    folder that it went to, with the manifests still at their place.
    """
    folder = os.path.dirname(paths.root)
    if is_folder(folder):
        return
    make_folders(disk, paths.package.control, folder.removeprefix(paths.package.control + b"/"))
    while folder != paths.package.control:
        folder = os.path.dirname(folder)
        sync_folder(disk, folder)


def _check_published(
    package: Package, records: Sequence[Record], *, opened: OpenedFiles, engine: Engine, disk: Disk
) -> None:
    """Refuse, before anything is changed, a rollback that could not be completed."""
    paths, commit = transaction_paths(package, begin_of(records)), _commit_of(records)
    is_rolling_back = any(isinstance(record, RollBack) for record in records)
    if commit is not None and is_published(
        paths, commit, opened=opened, engine=engine, is_rolling_back=is_rolling_back
    ):
        _check_origin(paths, opened=opened, engine=engine, disk=disk)


def _check_origin(paths: TransactionPaths, *, opened: OpenedFiles, engine: Engine, disk: Disk) -> None:
    """Refuse to unpublish the package while a moved file cannot go back: the package has its last copy."""
    if paths.publishing.is_removal:
        return
    manifest = _manifest(paths, opened)
    if manifest.header.mode is Mode.MOVE:
        member = paths.package.member(manifest.header.member_path)
        problems = look_at_origin(manifest, member, engine=engine, disk=disk)
        if problems:
            raise _cannot_undo(Code.ORIGIN_IN_THE_WAY, paths.package, problems)


def _restore_origin(paths: TransactionPaths, *, opened: OpenedFiles, engine: Engine, disk: Disk) -> None:
    if paths.publishing.is_removal:
        return
    manifest = _manifest(paths, opened)
    if manifest.header.mode is not Mode.MOVE and not manifest.notes.relinks:
        return
    problems = put_back(manifest, paths.package.member(manifest.header.member_path), engine=engine, disk=disk)
    if problems:  # they appeared after the check; going on would remove the last copies
        raise _cannot_undo(Code.ORIGIN_IN_THE_WAY, paths.package, problems)


def _manifest(paths: TransactionPaths, opened: OpenedFiles) -> Described:
    """Open the manifest of the published member, which may not be published itself yet."""
    staged = staged_manifest(paths)
    path = paths.package.manifest(join(paths.group, paths.member))
    return opened.manifest_of(join(paths.group, paths.member), staged if is_there(staged) else path)


def _roll_back_finished(
    package: Package, *, opened: OpenedFiles, engine: Engine, disk: Disk, progress: Progress, stop: Stop
) -> RolledBack:
    path = last_finished(package)
    if path is None:
        return RolledBack()
    records = _ended_journal(path)
    begin = begin_of(records)
    paths = transaction_paths(package, begin)
    commit = _revertible_commit(paths, begin, _commit_of(records), opened=opened, engine=engine, progress=progress)
    _check_origin(paths, opened=opened, engine=engine, disk=disk)
    stop.check()
    try:
        remake_previous(paths, commit, opened, disk)
    except ChangedFileError as error:
        raise _cannot_undo(Code.TICKET_LOST, package, (error.problem,)) from error
    # The journal stands for the transaction again; should all stop here, its end is still in it.
    disk.replace(path, journal_path(package))
    sync_folder(disk, os.path.dirname(path))
    sync_folder(disk, package.control)
    roll_back(package, records, opened=opened, engine=engine, disk=disk, stop=stop)
    return RolledBack(begin.group + b"/" + begin.member, was_finished=True)


def _ended_journal(path: bytes) -> Sequence[Record]:
    """Return the records of a filed journal; the package does not need it, but a rollback does."""
    try:
        records = read_journal(path)
        if phase_of(records) is not Phase.ENDED:
            raise JournalDamagedError(path, "is damaged: its end is missing")
    except JournalError as error:
        raise CannotUndoError(*error.problems, remedies=_WITHOUT_JOURNAL) from error
    return records


def _revertible_commit(
    paths: TransactionPaths,
    begin: Begin,
    commit: Commit | None,
    *,
    opened: OpenedFiles,
    engine: Engine,
    progress: Progress,
) -> Commit:
    """Return the commit of a finished transaction, if it can be rolled back."""
    if commit is None or not _may_be_published(paths, commit, opened, engine=engine):
        raise _cannot_undo(Code.NOT_AS_APPLIED, paths.package)
    if begin.publishing.has_previous and not (begin.keeps_previous and is_there(paths.previous_tree)):
        raise _cannot_undo(Code.PREVIOUS_GONE, paths.package)
    problems = _changes(paths, opened, is_whole=paths.root == paths.tree, engine=engine, progress=progress)
    if any(problem.code is Code.UNREADABLE for problem in problems):
        raise _cannot_undo(Code.NOT_COMPARABLE, paths.package, problems)
    if problems:
        raise _cannot_undo(Code.CHANGED_SINCE, paths.package, problems)
    return commit


def _may_be_published(paths: TransactionPaths, commit: Commit, opened: OpenedFiles, *, engine: Engine) -> bool:
    """Return whether the target may be the tree of the apply; changes in it are reported later."""
    if paths.publishing.is_removal:
        return not is_there(paths.target)
    try:
        manifest = _manifest(paths, opened)
    except (StreamError, FileNotFoundError):
        return is_there(paths.target)
    return is_like_target(paths, commit, manifest, engine=engine)


def _changes(
    paths: TransactionPaths, opened: OpenedFiles, *, is_whole: bool, engine: Engine, progress: Progress
) -> tuple[Problem, ...]:
    """Return the problems of removing the published tree: every change since the apply."""
    if paths.publishing.is_removal:
        return ()
    member = paths.group + b"/" + paths.member
    try:
        manifest = opened.manifest_of(member, paths.package.manifest(member))
    except StreamError as error:
        return (unusable_manifest(error),)
    except FileNotFoundError as error:
        return (Problem(Code.MANIFEST_MISSING, os.fsencode(error.filename)),)
    lost = lost_sources(manifest)
    if lost:
        raise _cannot_undo(Code.ORIGIN_LOST, paths.package, lost)
    notes = manifest.notes
    progress.phase("verify", file_count=notes.file_count, byte_count=notes.byte_count)
    folder = paths.package.member(member)
    found = verify_tree(folder, manifest.stream.blobs(), is_quick=False, engine=engine, progress=progress)
    return (*found, *_neighbours(paths, is_whole=is_whole))


def _neighbours(paths: TransactionPaths, *, is_whole: bool) -> tuple[Problem, ...]:
    """Return the unexpected entries of the folders that would be removed."""
    folders = [(os.path.dirname(paths.staged_member), paths.member)]
    if is_whole:
        folders += [(os.path.dirname(folders[0][0]), paths.group), (paths.tree, SCIENCE_GOAL)]
    if paths.root == paths.staged_member:
        folders = []
    return tuple(
        Problem(Code.EXTRA, os.path.join(folder, name))
        for staged, own in folders
        for folder in (paths.package.path + staged.removeprefix(paths.tree),)
        for name in sorted(os.listdir(folder))
        if name != own
    )


def _commit_of(records: Sequence[Record]) -> Commit | None:
    return next((record for record in records if isinstance(record, Commit)), None)
