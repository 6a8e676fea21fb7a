"""Steps of a rollback: origin files back, package unpublished, staging removed, plan waiting again, journal removed.

The rollback is first recorded in the journal, and each step is idempotent, so it can be stopped anywhere and resumed.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from qa2pack.executor.io.disk import Disk, sync_folder
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.publish.origin_links import OriginResult, put_back
from qa2pack.executor.publish.publish import unpublish
from qa2pack.executor.publish.renaming import bring_old_back, turn_origin_links
from qa2pack.executor.rollback_checks import (
    cannot_put_back,
    is_gone,
    published_manifest,
)
from qa2pack.executor.stage.batch import make_folders
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.journal import continue_journal
from qa2pack.executor.transaction.journal_records import Begin, Commit, Publishing, Record, RollBack
from qa2pack.executor.transaction.lock import worker_lock_path
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    journal_path,
    lock_path,
    probe_paths,
    renaming_path,
    transaction_paths,
)
from qa2pack.executor.transaction.published_tree import is_published
from qa2pack.executor.transaction.recovery import begin_of, commit_of
from qa2pack.executor.transaction.renaming import new_name
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.fs.scratch import DISK_FULL


def roll_back(
    package: Package,
    records: Sequence[Record],
    *,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    stop: Stop = NEVER,
) -> OriginResult:
    """Roll back the transaction of the journal, and remove the journal last; the caller holds the lock.

    Returns:
        What came back to the origin, and what was given up.

    Raises:
        InterruptedByUser: a stop was requested; to be called again.
        OriginAwayError: the origin is not there; to be called again when it is.
        OSError: the disk fails; nothing of the origin or of the old package is lost.
    """
    paths = transaction_paths(package, begin_of(records))
    commit = commit_of(records)
    if not any(isinstance(record, RollBack) for record in records):
        _begin_rolling_back(paths, commit, disk, stop)
    stop.check()
    origin = OriginResult()
    if commit is not None:
        is_removed = is_gone(paths, records, opened=opened, engine=engine, disk=disk)
        origin = _roll_back_published(
            paths, commit, is_removed=is_removed, opened=opened, engine=engine, disk=disk, stop=stop
        )
    _remove_staged_and_previous(paths, disk, stop)
    if paths.publishing is Publishing.RENAME:
        _remove_plan_and_history(paths, disk)
    else:
        _restore_plan(package, begin_of(records), opened, disk)
    for probe in probe_paths(package):  # a power cut may restore one
        remove_tree(disk, probe)
    sync_folder(disk, package.control)
    disk.unlink(journal_path(package))
    sync_folder(disk, package.control)
    if paths.publishing is Publishing.RENAME:
        _remove_new_control(paths, disk)
    return origin


def _remove_plan_and_history(paths: TransactionPaths, disk: Disk) -> None:
    """Remove what the control folder of the new name has, and that of the old name too."""
    for path in (paths.package.plan, paths.package.last_plan, os.path.dirname(paths.finished)):
        remove_tree(disk, path)


def _remove_new_control(paths: TransactionPaths, disk: Disk) -> None:
    """Remove the traces of the new name, which nobody has any more; the caller holds the locks of both."""
    old = paths.old_package
    if new_name(old) == paths.package.project:
        disk.unlink(renaming_path(old))
        sync_folder(disk, old.control)
    for path in (worker_lock_path(lock_path(paths.package)), lock_path(paths.package)):
        remove_tree(disk, path)
    with suppress(OSError):  # something else is in it, or FUSE keeps a name for the open lock
        disk.rmdir(paths.package.control)
    sync_folder(disk, paths.package.parent)


def _begin_rolling_back(paths: TransactionPaths, commit: Commit | None, disk: Disk, stop: Stop) -> None:
    """Record the rollback in the journal; on a full disk, make space for the record where nothing is committed."""
    try:
        _note_rolling_back(paths.package, disk)
    except OSError as error:
        if commit is not None or error.errno not in DISK_FULL:
            raise
        # A rollback is how a user frees space on a full disk. Before the commit, staging may be removed anytime.
        remove_tree(disk, paths.staging, stop=stop)
        _note_rolling_back(paths.package, disk)


def _remove_staged_and_previous(paths: TransactionPaths, disk: Disk, stop: Stop) -> None:
    remove_tree(disk, paths.staging, stop=stop)
    remove_tree(disk, paths.previous, stop=stop)
    folder = os.path.dirname(paths.previous)
    if is_folder(folder) and not os.listdir(folder):
        disk.rmdir(folder)


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
    paths: TransactionPaths,
    commit: Commit,
    *,
    is_removed: bool,
    opened: OpenedFiles,
    engine: Engine,
    disk: Disk,
    stop: Stop,
) -> OriginResult:
    """First put the origin files back, while the package still has their content, then unpublish the package.

    Args:
        is_removed: the new tree is nowhere any more, and nothing relies on it.

    Returns:
        As of `roll_back`.
    """
    origin = OriginResult()
    is_visible = not is_removed and is_published(paths, commit, opened=opened, engine=engine, is_rolling_back=True)
    if paths.publishing is Publishing.RENAME:
        bring_old_back(paths, disk)
        turn_origin_links(paths, opened, disk, is_back=True, stop=stop)
    elif is_visible:
        origin = _restore_origin(paths, opened=opened, engine=engine, disk=disk)
    _make_staging(paths, disk)
    unpublish(paths, commit, disk, is_published=is_visible)
    # Removed first: a missing manifest shows that the tree was taken back, whatever is left of it.
    remove_tree(disk, paths.new_manifests)
    if is_folder(paths.staging):
        sync_folder(disk, paths.staging)
    return origin


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


def _restore_origin(paths: TransactionPaths, *, opened: OpenedFiles, engine: Engine, disk: Disk) -> OriginResult:
    if paths.publishing.is_removal:
        return OriginResult()
    manifest = published_manifest(paths, opened)
    if manifest.header.mode is not Mode.MOVE and not manifest.notes.relinks:
        return OriginResult()
    done = put_back(manifest, paths.package.member(manifest.header.member), engine=engine, disk=disk)
    if done.problems:  # they appeared after the check; going on would remove the last copies
        raise cannot_put_back(paths.package, done.problems, is_begun=True)
    return done
