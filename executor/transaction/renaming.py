"""Renaming under way: which package gets which name, and the lock of the old one.

The transaction is that of the new name, whose control folder has plan, journal and staging. A file in the old control
folder names the new package, so that commands with the old name find the transaction; it is written before the
journal, and counts only while that journal exists and names the old package in turn.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.journal_records import Publishing, Record
from qa2pack.executor.transaction.lock import NO_WAIT, Wait, locked_for_writing, when_free
from qa2pack.executor.transaction.paths import journal_path, lock_path, renaming_path
from qa2pack.executor.transaction.recovery import begin_of
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.path import UnsafePathError, check_name, join


def new_name(package: Package) -> bytes:
    """Return the name that the control folder says the package is getting; empty if it says nothing."""
    try:
        name = read_control(renaming_path(package), limit_bytes=SMALL_BYTES)
        check_name(name)
    except (FileNotFoundError, NotADirectoryError, UnsafePathError):
        return b""
    return name


def successor(package: Package) -> Package | None:
    """Return the package that this one is becoming, while that is under way.

    Raises:
        JournalError: the journal of the new name is damaged or of another version.
    """
    name = new_name(package)
    if not name or name == package.project:
        return None
    new = Package(join(package.parent, name))
    return new if predecessor(new) == package else None


def predecessor(package: Package) -> Package | None:
    """Return the package that gets this name in the transaction that is under way; raises as `successor`."""
    records = read_journal(journal_path(package))  # not its first record alone: a damaged one decides nothing
    begin = begin_of(records) if records else None
    if begin is None or begin.publishing is not Publishing.RENAME:
        return None
    return Package(join(package.parent, begin.renamed_from))


def running_records(package: Package) -> Sequence[Record]:
    """Return the journal of the unfinished transaction that changes the package; raises as `read_journal`."""
    return read_journal(journal_path(successor(package) or package))


@contextmanager
def locked_old(
    package: Package, opened: OpenedFiles, trusted: frozenset[int], wait: Wait = NO_WAIT, stop: Stop = NEVER
) -> Iterator[None]:
    """Hold the lock of the package that gets this name, if a renaming is under way or planned.

    The caller holds the lock of the new name, which is always the first of the two.

    Raises:
        LockedError, InterruptedByUser: as `when_free`.
        Refused: the control folder of the old name belongs to another user.
    """
    old = predecessor(package) or _planned_predecessor(package, opened)
    if old is None or not is_folder(old.control):
        yield
        return
    with when_free(locked_for_writing, lock_path(old), wait, stop):
        check_owned(old, trusted)
        yield


def _planned_predecessor(package: Package, opened: OpenedFiles) -> Package | None:
    with suppress(FileNotFoundError, StreamError):
        header = opened.peek_header(package.plan, StreamKind.PLAN)
        if header.renamed_from:
            return Package(join(package.parent, header.renamed_from))
    return None
