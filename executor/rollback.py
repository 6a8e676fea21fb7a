"""Rollback of an unfinished transaction, or of the last finished one.

Afterwards package and origin are as before the transaction began. The rollback is first recorded in the journal, and
each of its steps is idempotent, so it can be stopped anywhere and resumed. While it is unfinished, nothing else can
be done with the package.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.preflight import check_plan
from qa2pack.executor.publish.origin_links import OriginResult
from qa2pack.executor.publish.publish import file_journal
from qa2pack.executor.remake import remake_previous
from qa2pack.executor.rollback_checks import (
    cannot_undo,
    check_finished,
    check_stopped,
    ended_journal,
    rollback_obstacles,
)
from qa2pack.executor.rollback_steps import roll_back
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.tickets.write import ChangedFileError
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.journal_records import Publishing, Record
from qa2pack.executor.transaction.lock import NO_WAIT, Wait, locked_for_writing, when_free
from qa2pack.executor.transaction.paths import (
    journal_path,
    litter_paths,
    lock_path,
    renaming_path,
    transaction_paths,
)
from qa2pack.executor.transaction.recovery import Facts, Goal, Step, begin_of, commit_of, decide
from qa2pack.executor.transaction.renaming import locked_old, successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Result of a rollback.

    Attributes:
        member: name of the member that was removed; empty if there was nothing to roll back.
        was_finished: the transaction was a finished one.
        is_removal: the member had been removed, or was to be, and is there again.
        renamed_from: the name that the package has again; empty if it was not renamed.
        is_of_package: the whole package was made or replaced, not a member or group of it.
        is_gone: there was no package before, so there is none now.
        is_restored: what had been replaced or removed came back from where it was kept.
        received: all members that were made of a delivery, of which `member` is the first; empty without one.
        has_copies: moved files came back to the origin as copies: with content, name, permissions and times as they
            were, but not with owner, set-id bits, extended attributes and hard links.
        given_up: moved files that did not come back, because neither package nor origin had their names any more.
        problems: what came back and is not as packaged; the caller compares it.
    """

    member: bytes = b""
    was_finished: bool = False
    is_removal: bool = False
    renamed_from: bytes = b""
    is_of_package: bool = False
    is_gone: bool = False
    is_restored: bool = False
    received: tuple[bytes, ...] = ()
    has_copies: bool = False
    given_up: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()

    def package_of(self, package: Package) -> Package:
        """Return a package that was rolled back, which may have another name again."""
        return Package(join(package.parent, self.renamed_from)) if self.renamed_from else package


def roll_back_package(  # noqa: PLR0913 - what a rollback works with, and how it may be kept from it
    package: Package,
    *,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    further: bool = True,
    trusted: frozenset[int] = frozenset(),
    stop: Stop = NEVER,
    opened: OpenedFiles,
    wait: Wait = NO_WAIT,
) -> RolledBack:
    """Roll back the unfinished transaction; if there is none, the last finished one.

    Args:
        stop: checked between steps and while folders are removed.
        further: False refuses to roll back a finished transaction while a plan waits, as is the case after a
            rollback: a command that is given twice must not roll back twice.
        trusted: numeric ids of users whose control folder is also accepted.
        wait: for another process that holds the lock.

    Raises:
        CannotUndoError: it is not possible any more; says why, nothing was changed.
        UnknownTreeError: it is not known whether the stopped transaction was published; nothing was changed.
        Refused: there is no package, or its control folder cannot be used.
        LockedError: the package is locked by another process.
        InterruptedByUser: a stop was requested; the same call resumes later.
        OSError: the disk fails; the same call resumes later.
    """
    check_control(package.control)
    if not is_folder(package.control):
        raise _without_control(package)
    with ExitStack() as held:
        held.enter_context(when_free(locked_for_writing, lock_path(package), wait, stop))
        check_owned(package, trusted)
        held.enter_context(locked_old(package, opened, trusted, wait, stop))
        records = _unfinished_records(package, disk)
        if records:
            check_stopped(package, records, opened=opened, engine=engine, disk=disk, progress=progress, stop=stop)
            origin = roll_back(package, records, opened=opened, engine=engine, disk=disk, stop=stop)
            done = _rolled_back(records, was_finished=False, origin=origin)
        else:
            _remove_litter(package, disk)
            _check_reach(package, opened, further=further)
            done = _roll_back_finished(package, opened=opened, engine=engine, disk=disk, progress=progress, stop=stop)
    if done.renamed_from and is_folder(package.control):  # FUSE gave the open lock another name until now
        with suppress(OSError):
            disk.rmdir(package.control)
    return done


def _unfinished_records(package: Package, disk: Disk) -> Sequence[Record]:
    """Return the journal of the unfinished transaction, if any; a journal that only lacks filing is filed.

    Raises:
        CannotUndoError: the replaced package is being removed already.
    """
    records = read_journal(journal_path(package))
    match decide(records, Facts(None), Goal.ROLL_BACK):
        case Step.NOTHING:
            return ()
        case Step.FILE_JOURNAL:
            file_journal(transaction_paths(package, begin_of(records)), disk)
            return ()
        case Step.TOO_LATE:
            raise cannot_undo(Code.ROLLBACK_TOO_LATE, package)
        case _:
            return records


def _remove_litter(package: Package, disk: Disk) -> None:
    for path in litter_paths(package):
        remove_tree(disk, path)
    if successor(package) is None:  # left by a renaming that was stopped before it began
        remove_tree(disk, renaming_path(package))


def _check_reach(package: Package, opened: OpenedFiles, *, further: bool) -> None:
    """Refuse to roll back a finished transaction while a plan waits, unless that is requested.

    Only commands that are not refused are advised: what the older apply replaced may be gone, the plan may be stale.
    """
    if further or not is_there(package.plan) or not last_finished(package):
        return
    obstacles = rollback_obstacles(package, opened)
    remedies = [] if obstacles else [_FURTHER]
    remedies += [_APPLY] if _is_applicable(package, opened) else []
    raise CannotUndoError(Problem(Code.PLAN_WAITS, package.path), *obstacles, remedies=tuple(remedies) or (_LOOK,))


_FURTHER = Remedy("To roll back that older apply nevertheless:", ("pack rollback PACKAGE --further",))
_APPLY = Remedy("To apply the plan:", ("pack apply PACKAGE",))
_LOOK = Remedy("To see what comes next:", ("pack status PACKAGE",))


def _is_applicable(package: Package, opened: OpenedFiles) -> bool:
    """Return whether the waiting plan would be accepted."""
    try:
        check_plan(package, opened.plan(package.plan), opened)
    except (Refused, StreamError):
        return False
    return True


def _without_control(package: Package) -> Refused:
    """Return the error for a path without a control folder: a package without one, or a mistyped path."""
    state = read_state(package)
    if not state.members:
        return Refused(no_package(package, state))
    return CannotUndoError(Problem(Code.CONTROL_MISSING, package.control))


def _roll_back_finished(
    package: Package, *, opened: OpenedFiles, engine: Engine, disk: Disk, progress: Progress, stop: Stop
) -> RolledBack:
    path = last_finished(package)
    if path is None:
        return RolledBack()
    records = ended_journal(path)
    begin = begin_of(records)
    paths = transaction_paths(package, begin)
    commit = check_finished(paths, records, opened=opened, engine=engine, disk=disk, progress=progress, stop=stop)
    stop.check()
    try:
        remake_previous(paths, commit, opened, disk)
    except ChangedFileError as error:
        raise cannot_undo(Code.TICKET_LOST, package, (error.problem,)) from error
    # The journal stands for the transaction again; should all stop here, its end is still in it.
    disk.replace(path, journal_path(package))
    sync_folder(disk, os.path.dirname(path))
    sync_folder(disk, package.control)
    origin = roll_back(package, records, opened=opened, engine=engine, disk=disk, stop=stop)
    return _rolled_back(records, was_finished=True, origin=origin)


def _rolled_back(records: Sequence[Record], *, was_finished: bool, origin: OriginResult) -> RolledBack:
    begin = begin_of(records)
    publishing = begin.publishing
    return RolledBack(
        begin.member,
        was_finished=was_finished,
        is_removal=publishing.is_removal,
        renamed_from=begin.renamed_from,
        is_of_package=publishing in (Publishing.NEW, Publishing.EXCHANGE, Publishing.TWO_RENAMES),
        is_gone=publishing is Publishing.NEW,
        is_restored=publishing.has_previous and commit_of(records) is not None,
        received=begin.received,
        has_copies=origin.has_copies,
        given_up=tuple(origin.given_up),
    )
