"""Remake previous state: recreates the manifests and ticket files that an append replaced and that are not kept.

Only the last transaction keeps what it replaced. An append replaces no file of the package. The files that it did
replace follow from the members that were there before: manifests are never changed, and the same members give the
same ticket files, unless another program wrote those.
"""

import os

from qa2pack.executor.io.disk import TEMPORARY, Disk, sync_file_system, sync_folder
from qa2pack.executor.io.manifests import link_manifest
from qa2pack.executor.io.remove import ensure_folder, remove_tree
from qa2pack.executor.tickets.write import ChangedFileError, Member, write_tickets
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES, Commit
from qa2pack.executor.transaction.paths import TransactionPaths, ticket_in
from qa2pack.manifest.alma.package import manifest_names, manifests_in, member_of_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join


def remake_previous(paths: TransactionPaths, commit: Commit, opened: OpenedFiles, disk: Disk) -> None:
    """Recreate the files that a finished append replaced, where a rollback expects them; idempotent.

    Raises:
        ChangedFileError: a file that goes into the ticket files is not as packaged; nothing was changed.
        OSError: the disk fails or is full, or a file that goes into the ticket files is not there.
    """
    if not commit.had_manifests or is_there(paths.previous_manifests):
        return
    remade = paths.previous + TEMPORARY
    remove_tree(disk, remade)
    ensure_folder(disk, os.path.dirname(paths.previous))
    disk.mkdir(remade)
    _link_manifests(paths, join(remade, b"manifests"), disk)
    try:
        _write_tickets(paths, commit, remade, opened, disk)
    except ChangedFileError:
        remove_tree(disk, remade)
        raise
    sync_file_system(disk, remade)
    remove_tree(disk, paths.previous)
    disk.rename(remade, paths.previous)
    sync_folder(disk, os.path.dirname(paths.previous))


def _link_manifests(paths: TransactionPaths, folder: bytes, disk: Disk) -> None:
    own = {os.path.basename(paths.package.manifest(member)) for member in paths.received or (paths.member,)}
    disk.mkdir(folder)
    for name in manifest_names(paths.package):
        if name not in own:
            link_manifest(disk, folder, join(paths.package.manifests, name))


def _write_tickets(paths: TransactionPaths, commit: Commit, folder: bytes, opened: OpenedFiles, disk: Disk) -> None:
    kept = join(folder, b"manifests")
    manifests = [opened.manifest_of(member_of_manifest(name), join(kept, name)) for name in manifests_in(kept)]
    members = [Member(found, paths.package.member(found.header.member)) for found in manifests]
    write_tickets(paths.package.project, members, folder, disk)
    for suffix in TICKET_SUFFIXES:
        if suffix not in commit.had_tickets:
            disk.unlink(ticket_in(folder, suffix))
