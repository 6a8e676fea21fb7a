"""From the commit to the end: making the staged tree visible, and what follows.

Every step looks whether it is done before it does anything, so the sequence can be stopped at any call and begun
again. Whether the tree's own rename is done is told by `executor.whereabouts`.
"""

import os
import time

from qa2pack.executor.io.disk import TEMPORARY, Disk, link_into, sync_folder
from qa2pack.executor.io.remove import ensure_folder, move_away, remove_tree
from qa2pack.executor.publish.origin_links import replace_by_links
from qa2pack.executor.publish.refresh_ctimes import refresh_ctimes
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.journal import TICKET_SUFFIXES, Commit, Discard, End, Journal, Published, Publishing
from qa2pack.executor.transaction.paths import Places, journal_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import open_manifest_of
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Problem


def publish(places: Places, journal: Journal, disk: Disk, *, is_published: bool) -> None:
    """Make the staged tree and the manifests visible, and bring that to the disk.

    A power cut before the tree's rename leaves the old package, one after it the new; between the rename of the
    tree and that of the manifests the journal says that both belong together, and going on does the rest.

    Args:
        is_published: the tree stands at its target already.
    """
    if not is_published:
        _rename_into_place(places, disk)
    # The exchange must be on disk before anything of the old tree is removed: else a power cut could lose the
    # exchange and keep the removals, and eat the old package.
    sync_folder(disk, os.path.dirname(places.target))
    sync_folder(disk, os.path.dirname(places.root))
    if is_there(places.new_manifests):
        move_away(disk, places.package.manifests, places.previous_manifests)
        disk.rename(places.new_manifests, places.package.manifests)
    for suffix in TICKET_SUFFIXES:
        _publish_ticket(places, suffix, disk)
    for folder in (places.previous, places.staging, places.package.control, places.package.parent):
        sync_folder(disk, folder)
    journal.append_durably(Published())


def _rename_into_place(places: Places, disk: Disk) -> None:
    match places.publishing:
        case Publishing.EXCHANGE:
            disk.exchange(places.root, places.target)
        case Publishing.TWO_RENAMES:
            move_away(disk, places.target, places.previous_tree)
            sync_folder(disk, places.previous)
            disk.rename(places.root, places.target)
        case Publishing.NEW | Publishing.MEMBER | Publishing.GROUP:
            disk.rename(places.root, places.target)


def finish(
    places: Places, journal: Journal, disk: Disk, *, keeps_previous: bool, engine: Engine, stop: Stop = NEVER
) -> list[Problem]:
    """Replace moved files of the origin by links, put the old package aside or remove it, and end the transaction.

    Args:
        stop: looked at while the old package is removed.

    Returns:
        A problem for each name of the origin that holds something else now than what was moved.
    """
    left_alone = _leave_links(places, disk, engine)
    if places.publishing is Publishing.EXCHANGE:
        move_away(disk, places.tree, places.previous_tree)  # after the exchange this is the old package
        sync_folder(disk, places.previous)
        if is_folder(places.staging):  # not after a stop further below
            sync_folder(disk, places.staging)
    if not keeps_previous:
        _discard(places, journal, disk, stop)
    remove_tree(disk, places.staging, stop=stop)
    refresh_ctimes(places, disk)
    if is_there(places.package.plan):
        disk.replace(places.package.plan, places.package.last_plan)
    sync_folder(disk, places.package.control)
    journal.append_durably(End(time.time_ns()))
    file_journal(places, disk)
    return left_alone


def _leave_links(places: Places, disk: Disk, engine: Engine) -> list[Problem]:
    """Touch the origin, for the first time and last of all: the new package is published and on disk."""
    member = join(places.group, places.member)
    manifest = open_manifest_of(member, places.package.manifest(member))
    if manifest.header.mode is not Mode.MOVE and not manifest.notes.relinks:
        return []
    return replace_by_links(manifest, places.package.member(member), engine=engine, disk=disk)


def file_journal(places: Places, disk: Disk) -> None:
    """Put the journal of an ended transaction with the finished ones, and remove what older ones had kept."""
    _remove_older_previous(places, disk)
    remove_tree(disk, journal_path(places.package) + TEMPORARY)  # of undoing that was stopped before it began
    finished = os.path.dirname(places.finished)
    ensure_folder(disk, finished)
    sync_folder(disk, places.package.control)  # else a power cut could lose the folder with the journal in it
    disk.replace(journal_path(places.package), places.finished)
    sync_folder(disk, finished)
    sync_folder(disk, places.package.control)


def _discard(places: Places, journal: Journal, disk: Disk, stop: Stop) -> None:
    """Remove the replaced package; what little else was replaced stays for undoing."""
    if is_there(places.previous_tree):
        journal.append_durably(Discard())
        remove_tree(disk, places.previous_tree, stop=stop)
    # Before the end: a power cut after it could bring back a part of the old package, which nobody would remove.
    sync_folder(disk, places.previous)


def _remove_older_previous(places: Places, disk: Disk) -> None:
    """Remove what older transactions kept: only the last one can be undone."""
    folder = os.path.dirname(places.previous)
    if not is_folder(folder):
        return
    for name in sorted(os.listdir(folder)):
        if name != os.path.basename(places.previous):
            remove_tree(disk, join(folder, name))
    sync_folder(disk, folder)  # once the journal is filed, nobody would remove it again


def unpublish(places: Places, commit: Commit, disk: Disk, *, is_published: bool) -> None:
    """Undo `publish`, so that the old package and its manifests stand where they stood; can be done again."""
    if is_published:
        _rename_back(places, disk)
    elif places.publishing is Publishing.TWO_RENAMES:
        move_away(disk, places.previous_tree, places.target)
    sync_folder(disk, os.path.dirname(places.target))
    _manifests_back(places, commit, disk)
    for suffix in TICKET_SUFFIXES:
        _ticket_back(places, suffix, commit, disk)
    sync_folder(disk, places.package.control)
    sync_folder(disk, places.package.parent)


def _rename_back(places: Places, disk: Disk) -> None:
    match places.publishing:
        case Publishing.EXCHANGE:
            old = places.previous_tree if is_there(places.previous_tree) else places.root
            disk.exchange(old, places.target)
        case Publishing.TWO_RENAMES:
            disk.rename(places.target, places.root)
            sync_folder(disk, os.path.dirname(places.target))
            move_away(disk, places.previous_tree, places.target)
        case Publishing.NEW | Publishing.MEMBER | Publishing.GROUP:
            disk.rename(places.target, places.root)


def _manifests_back(places: Places, commit: Commit, disk: Disk) -> None:
    if not commit.had_manifests:
        move_away(disk, places.package.manifests, places.new_manifests)
    elif is_there(places.previous_manifests):
        move_away(disk, places.package.manifests, places.new_manifests)
        disk.rename(places.previous_manifests, places.package.manifests)


def _publish_ticket(places: Places, suffix: bytes, disk: Disk) -> None:
    ticket, staged, previous = places.ticket(suffix), places.staged_ticket(suffix), places.previous_ticket(suffix)
    if not is_there(staged):
        return
    if is_there(ticket) and not is_there(previous):
        link_into(disk, places.previous, ticket, os.path.basename(previous))
        sync_folder(disk, places.previous)
    disk.replace(staged, ticket)


def _ticket_back(places: Places, suffix: bytes, commit: Commit, disk: Disk) -> None:
    ticket, previous = places.ticket(suffix), places.previous_ticket(suffix)
    if is_there(previous):
        disk.replace(previous, ticket)
    elif suffix not in commit.had_tickets and is_there(ticket):
        disk.unlink(ticket)
