"""Renaming: what is done besides publishing when a package gets another name, and reverted in a rollback.

The new package holds links to all files of the old one. Once it is on disk, the symlinks of origins are turned to it,
and then the package of the old name goes, its control folder last. Nothing is overwritten: each rename fails if its
target exists. Every step is idempotent.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.executor.io.disk import Disk, link_into, sync_file_system, sync_folder
from qa2pack.executor.io.remove import ensure_folder, move_away, remove_tree
from qa2pack.executor.publish.exchange import Swap
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES, Publishing
from qa2pack.executor.transaction.paths import TransactionPaths, published_members
from qa2pack.executor.transaction.renaming import new_name
from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record, record_actions
from qa2pack.manifest.fs.presence import is_folder, is_link, is_there, real_path
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import is_within, join

# Files whose place at the origin a symlink holds since they were moved.
_MOVED = frozenset((Action.MOVE, Action.CARRY))


def turn_origin_links(
    paths: TransactionPaths, opened: OpenedFiles, disk: Disk, *, is_back: bool = False, stop: Stop = NEVER
) -> None:
    """Let the symlinks that lead into one of the two packages lead to the same files of the other one.

    All is on disk when this returns. A symlink that leads elsewhere, and a name that is no symlink, are not changed.

    Args:
        is_back: from the new package to the old one.
        stop: checked for each symlink.
    """
    links = _Links(paths.old_package, paths.package, disk)
    goal = paths.old_package if is_back else paths.package
    folders: dict[int, bytes] = {}
    for manifest in _manifests(paths, opened):
        if manifest.header.is_adopted:  # where its files came from is not known
            continue
        for folder, name in _moved_names(manifest):
            stop.check()
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                opened_beneath(manifest.header.origin, folder) as fd,
            ):
                if links.turn(name, fd, goal):
                    folders[os.fstat(fd).st_dev] = os.path.join(manifest.header.origin, folder)
    for folder in folders.values():
        sync_file_system(disk, folder)


@dataclass(frozen=True, slots=True)
class _Links:
    """Symlinks of origins into a package that has two names for a while."""

    old: Package
    new: Package
    disk: Disk

    def turn(self, name: bytes, fd: int, goal: Package) -> bool:
        """Let a symlink lead into the package `goal`; return whether it is one that may."""
        swap = Swap(self.disk, fd, name, lambda name: self._inside(name, fd) is not None)
        inside = self._inside(name, fd) if swap.sweep() else None
        if inside is None:
            return False
        target = join(goal.path, inside)
        if os.readlink(name, dir_fd=fd) != target:
            self.disk.symlink(target, swap.beside, dir_fd=fd)
            swap.enter()
        return True

    def _inside(self, name: bytes, fd: int) -> bytes | None:
        """Return where in the package a symlink leads to, None if it leads elsewhere or is none."""
        if not is_link(b"/proc/self/fd/%d/%b" % (fd, name)):
            return None
        target = os.readlink(name, dir_fd=fd)
        if not target.startswith(b"/"):  # it leads to another name of the origin, which is turned itself
            return None
        for package in (self.old.path, self.new.path):
            for path in (target, real_path(target)):
                if is_within(path, package) and path != package:
                    return path[len(package) + 1 :]
        return None


def _moved_names(manifest: Described) -> Iterator[tuple[bytes, bytes]]:
    """Yield folder and name, in the origin, of each file that was moved into the package."""
    for blob in manifest.stream.blobs():
        if _MOVED.isdisjoint(record_actions(blob)):
            continue
        record = decode_record(blob)
        for index, action in enumerate(record.actions):
            source = record.source_path(index)
            if action in _MOVED and not source.startswith(b"/"):
                yield os.path.split(source)


def _manifests(paths: TransactionPaths, opened: OpenedFiles) -> Iterator[Described]:
    """Yield the manifests of the new package, which are published."""
    for member in published_members(paths):
        yield opened.manifest_of(member, paths.package.manifest(member))


def take_old_away(paths: TransactionPaths, disk: Disk) -> None:
    """Put the package of the old name where a rollback finds it; its history goes on under the new name."""
    old = paths.old_package
    move_away(disk, old.path, paths.previous_tree)
    for suffix in TICKET_SUFFIXES:
        move_away(disk, _ticket(old, suffix), _kept_ticket(paths, suffix))
    _link_history(paths, disk)
    for folder in (paths.previous, old.parent):
        sync_folder(disk, folder)


def _link_history(paths: TransactionPaths, disk: Disk) -> None:
    """Let the journals of finished transactions stand in the new control folder, too."""
    old, new = join(paths.old_package.control, b"finished"), os.path.dirname(paths.finished)
    if not is_folder(old):
        return
    ensure_folder(disk, new)
    for name in sorted(os.listdir(old)):
        if not is_there(join(new, name)):
            link_into(disk, new, join(old, name), name)
    sync_folder(disk, new)


def take_old_control_away(paths: TransactionPaths, disk: Disk) -> None:
    """Put the control folder of the old name beside its package; the transaction has ended."""
    old = paths.old_package
    if paths.publishing is not Publishing.RENAME or new_name(old) != paths.package.project:
        return  # gone before, or by now that of another package
    remove_tree(disk, join(old.control, b"previous"))  # what the last apply kept, as at each further apply
    sync_folder(disk, old.control)  # else a power cut could restore it where nothing removes it
    if is_folder(paths.previous):
        move_away(disk, old.control, paths.previous_control)
        sync_folder(disk, paths.previous)
    sync_folder(disk, old.parent)


def bring_old_back(paths: TransactionPaths, disk: Disk) -> None:
    """Put the package of the old name back, its control folder first: it says that a renaming is under way."""
    for kept, name in names_back(paths):
        if is_there(kept):
            disk.rename(kept, name)
        sync_folder(disk, paths.old_package.parent)
    if is_folder(paths.previous):
        sync_folder(disk, paths.previous)


def names_back(paths: TransactionPaths) -> Iterator[tuple[bytes, bytes]]:
    """Yield where each part of the package of the old name is kept, and its path before; the control folder first."""
    old = paths.old_package
    yield paths.previous_control, old.control
    yield paths.previous_tree, old.path
    for suffix in TICKET_SUFFIXES:
        yield _kept_ticket(paths, suffix), _ticket(old, suffix)


def _ticket(package: Package, suffix: bytes) -> bytes:
    return package.path + b".ticket." + suffix


def _kept_ticket(paths: TransactionPaths, suffix: bytes) -> bytes:
    return join(paths.previous, b"renamed.ticket." + suffix)
