"""Undoing a transaction that has not ended: everything is as before it began, and the plan still waits."""

import os
import time
from collections.abc import Sequence

from executor.disk import Disk, sync_folder
from executor.journal import Commit, Record, RollBack, continue_journal
from executor.places import Places, journal_path
from executor.publishing import unpublish
from executor.recovery import begin_of
from executor.removing import remove_tree
from manifest.package import Package


def roll_back(package: Package, records: Sequence[Record], disk: Disk) -> None:
    """Undo what the journal tells of, and remove the journal last; stopped anywhere, it can be done again.

    Raises:
        OSError: the disk fails; nothing of the origin or of the old package is lost.
    """
    begin = begin_of(records)
    places = Places(package, begin.transaction, begin.publishing, begin.group, begin.member)
    if not any(isinstance(record, RollBack) for record in records):
        journal = continue_journal(journal_path(package), disk)
        try:
            journal.append_durably(RollBack(time.time_ns()))
        finally:
            journal.close()
    commit = next((record for record in records if isinstance(record, Commit)), None)
    if commit is not None:
        unpublish(places, commit, disk)
    remove_tree(disk, places.staging)
    remove_tree(disk, places.previous)
    folder = os.path.dirname(places.previous)
    if os.path.isdir(folder) and not os.listdir(folder):
        disk.rmdir(folder)
    sync_folder(disk, package.control)
    disk.unlink(journal_path(package))
    sync_folder(disk, package.control)
