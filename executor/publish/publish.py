"""Publish and finish: from the commit to the end of a transaction, and unpublish for a rollback.

Every step first checks whether it is done, so the sequence can be stopped at any call and repeated. Whether the tree
itself was renamed is determined by `executor.transaction.published_tree`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.executor.errors import NotFiledError
from qa2pack.executor.io.disk import TEMPORARY, Disk, link_into, sync_folder
from qa2pack.executor.io.remove import ensure_folder, move_away, remove_tree
from qa2pack.executor.publish.origin_links import replace_by_links, sweep_origin
from qa2pack.executor.publish.refresh_ctimes import refresh_ctimes
from qa2pack.executor.publish.renaming import take_old_away, take_old_control_away, turn_origin_links
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.journal import Journal
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES, Commit, Discard, End, Published, Publishing
from qa2pack.executor.transaction.paths import TransactionPaths, journal_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Problem


def publish(paths: TransactionPaths, journal: Journal, disk: Disk, *, is_published: bool) -> None:
    """Make the staged tree and the manifests visible, and sync that to the disk.

    A power cut before the tree's rename leaves the old package, one after it the new package. Between the rename of
    the tree and that of the manifests, the journal shows that both belong together, and resuming does the rest.

    Args:
        is_published: the tree is at its target already.
    """
    if not is_published:
        _rename_into_place(paths, disk)
    # The exchange must be on disk before anything of the old tree is removed: else a power cut could lose the
    # exchange and keep the removals, which would destroy the old package.
    sync_folder(disk, os.path.dirname(paths.target))
    sync_folder(disk, os.path.dirname(paths.root))
    if is_there(paths.new_manifests):
        move_away(disk, paths.package.manifests, paths.previous_manifests)
        disk.rename(paths.new_manifests, paths.package.manifests)
    for suffix in paths.tickets:
        _publish_ticket(paths, suffix, disk)
    for folder in (paths.previous, paths.staging, paths.package.control, paths.package.parent):
        sync_folder(disk, folder)
    journal.append_durably(Published())


def _rename_into_place(paths: TransactionPaths, disk: Disk) -> None:
    if paths.publishing.is_exchange:
        disk.exchange(paths.root, paths.target)
        return
    if paths.publishing.is_two_renames or paths.publishing.is_removal:
        move_away(disk, paths.target, paths.previous_tree)
        sync_folder(disk, paths.previous)
    if not paths.publishing.is_removal:
        disk.rename(paths.root, paths.target)


def finish(
    paths: TransactionPaths,
    journal: Journal,
    disk: Disk,
    *,
    opened: OpenedFiles,
    keeps_previous: bool,
    is_resumed: bool,
    engine: Engine,
    stop: Stop = NEVER,
) -> list[Problem]:
    """Replace moved files of the origin by symlinks, keep or remove the old package, and end the transaction.

    Args:
        is_resumed: the new package was visible before this run.
        stop: checked while the old package is removed, and the symlinks of a renamed one are turned.

    Returns:
        A problem for each name of the origin that holds another file than the one that was moved, or none, or whose
        file the package does not have any more.

    Raises:
        OriginAwayError: the origin is not there; all that comes after its step waits until it is.
    """
    left_alone = _replace_moved_files(paths, opened, disk, engine, stop, is_resumed=is_resumed)
    if paths.publishing is Publishing.RENAME:
        take_old_away(paths, disk)
    if paths.publishing.is_exchange:
        move_away(disk, paths.root, paths.previous_tree)  # after the exchange this is the old tree
        sync_folder(disk, paths.previous)
        if is_folder(paths.staging):  # it is gone if a later step was stopped
            sync_folder(disk, paths.staging)
    if not keeps_previous:
        _discard(paths, journal, disk, stop)
    remove_tree(disk, paths.staging, stop=stop)
    refresh_ctimes(paths, opened, disk)
    if is_there(paths.package.plan):
        disk.replace(paths.package.plan, paths.package.last_plan)
    sync_folder(disk, paths.package.control)
    with _told_as_ended(paths):
        journal.append_durably(End(time.time_ns()))
    file_journal(paths, disk)
    return left_alone


def _replace_moved_files(
    paths: TransactionPaths, opened: OpenedFiles, disk: Disk, engine: Engine, stop: Stop, *, is_resumed: bool
) -> list[Problem]:
    """Change the origin for the first time: the new package is published and on disk by now."""
    if paths.publishing.is_removal:
        return []
    if paths.publishing is Publishing.RENAME:
        turn_origin_links(paths, opened, disk, stop=stop)
        return []
    member = paths.member
    manifest = opened.manifest_of(member, paths.package.manifest(member))
    if manifest.header.mode is not Mode.MOVE and not manifest.notes.relinks:
        return []
    folder = paths.package.member(member)
    return replace_by_links(manifest, folder, engine=engine, disk=disk, is_resumed=is_resumed)


def clear_origin(paths: TransactionPaths, disk: Disk, *, opened: OpenedFiles, engine: Engine) -> None:
    """Leave nothing beside the names of the origin, where the published tree is gone, and no step can go on."""
    path = paths.package.manifest(paths.member)
    if paths.publishing is Publishing.RENAME or not is_there(path):
        return
    manifest = opened.manifest_of(paths.member, path)
    if manifest.header.mode is Mode.MOVE:
        sweep_origin(manifest, paths.package.member(paths.member), engine=engine, disk=disk)


def file_journal(paths: TransactionPaths, disk: Disk) -> None:
    """File the journal of a finished transaction, and remove the previous state that older transactions kept.

    Raises:
        NotFiledError: the disk fails; the same call does the rest later.
    """
    with _told_as_ended(paths):
        take_old_control_away(paths, disk)
        _remove_older_previous(paths, disk)
        # A rollback that was stopped before it began leaves one.
        remove_tree(disk, journal_path(paths.package) + TEMPORARY)
        finished = os.path.dirname(paths.finished)
        ensure_folder(disk, finished)
        sync_folder(disk, paths.package.control)  # else a power cut could lose the folder with the journal in it
        disk.replace(journal_path(paths.package), paths.finished)
        sync_folder(disk, finished)
        sync_folder(disk, paths.package.control)


@contextmanager
def _told_as_ended(paths: TransactionPaths) -> Iterator[None]:
    """Tell an error of the disk apart from those that leave something to be done to the package."""
    try:
        yield
    except OSError as error:
        raise NotFiledError(error, paths.package) from error


def _discard(paths: TransactionPaths, journal: Journal, disk: Disk, stop: Stop) -> None:
    """Remove the replaced package; replaced manifests and ticket files stay for a rollback."""
    if is_there(paths.previous_tree):
        journal.append_durably(Discard())
        remove_tree(disk, paths.previous_tree, stop=stop)
    # Before the End record: a power cut after it could restore a part of the old package for good.
    sync_folder(disk, paths.previous)


def _remove_older_previous(paths: TransactionPaths, disk: Disk) -> None:
    """Remove the previous state of older transactions: only the last one can be rolled back."""
    folder = os.path.dirname(paths.previous)
    if not is_folder(folder):
        return
    for name in sorted(os.listdir(folder)):
        if name != os.path.basename(paths.previous):
            remove_tree(disk, join(folder, name))
    sync_folder(disk, folder)  # once the journal is filed, nothing removes it again


def unpublish(paths: TransactionPaths, commit: Commit, disk: Disk, *, is_published: bool) -> None:
    """Roll back `publish`: the old package and its manifests are in place again; idempotent."""
    if is_published:
        _rename_back(paths, disk)
    elif paths.publishing.is_two_renames:
        move_away(disk, paths.previous_tree, paths.target)
    sync_folder(disk, os.path.dirname(paths.target))
    _manifests_back(paths, commit, disk)
    for suffix in paths.tickets:
        _ticket_back(paths, suffix, commit, disk)
    sync_folder(disk, paths.package.control)
    sync_folder(disk, paths.package.parent)


def _rename_back(paths: TransactionPaths, disk: Disk) -> None:
    if paths.publishing.is_exchange:
        old = paths.previous_tree if is_there(paths.previous_tree) else paths.root
        disk.exchange(old, paths.target)
        return
    if not paths.publishing.is_removal:
        disk.rename(paths.target, paths.root)
        sync_folder(disk, os.path.dirname(paths.target))
    if paths.publishing.is_two_renames or paths.publishing.is_removal:
        move_away(disk, paths.previous_tree, paths.target)


def _manifests_back(paths: TransactionPaths, commit: Commit, disk: Disk) -> None:
    if not commit.had_manifests:
        move_away(disk, paths.package.manifests, paths.new_manifests)
    elif is_there(paths.previous_manifests):
        move_away(disk, paths.package.manifests, paths.new_manifests)
        disk.rename(paths.previous_manifests, paths.package.manifests)


def _publish_ticket(paths: TransactionPaths, suffix: bytes, disk: Disk) -> None:
    ticket, staged, previous = paths.ticket(suffix), paths.staged_ticket(suffix), paths.previous_ticket(suffix)
    if not is_there(staged):
        if not paths.has_tickets and suffix in TICKET_SUFFIXES:
            move_away(disk, ticket, previous)  # of a layout or a program that had them: nothing keeps them right
        return
    if is_there(ticket) and not is_there(previous):
        link_into(disk, paths.previous, ticket, os.path.basename(previous))
        sync_folder(disk, paths.previous)
    disk.replace(staged, ticket)


def _ticket_back(paths: TransactionPaths, suffix: bytes, commit: Commit, disk: Disk) -> None:
    ticket, previous = paths.ticket(suffix), paths.previous_ticket(suffix)
    if is_there(previous):
        disk.replace(previous, ticket)
    elif suffix not in commit.had_tickets and is_there(ticket):
        disk.unlink(ticket)
