"""Fetched copies: files that a repair takes out of tars and bundles, in a folder of the control folder until it ends.

Where a repair was stopped they stay, and the same command does not fetch them again; its transaction needs them, too.
Whatever ends that transaction, `pack apply` and `pack rollback` as well, removes them.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.executor.io.remove import ensure_folder, remove_tree
from qa2pack.executor.transaction.lock import locked_temporarily
from qa2pack.executor.transaction.paths import LOCK_SUFFIX, fetched_path
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.path import join

_MODE = 0o700


class Fetched:
    """The folder; it is made when the first copy is. Use `fetched_copies`."""

    def __init__(self, package: Package, trusted: Collection[int], held: ExitStack) -> None:
        self._package = package
        self._trusted = trusted
        self._held = held
        self._count = 0
        self._is_open = False

    @property
    def path(self) -> bytes:
        """The path of the folder, which is there and nobody else writes to.

        Raises:
            LockedError: another repair of the package fetches.
            Refused: the control folder is of another user.
        """
        path = fetched_path(self._package)
        if not self._is_open:
            check_owned(self._package, self._trusted)
            self._held.enter_context(locked_temporarily(path + LOCK_SUFFIX))
            ensure_folder(Disk(), path, _MODE)
            for name in os.listdir(path):
                if b"." in name:  # was being written, or was not compared yet, when a repair was killed
                    Disk().unlink(join(path, name))
            self._is_open = True
        return path

    def file_of_blocks(self, blocks: Iterable[bytes]) -> bytes:
        """Write a file with this content, given in pieces, and return its path."""
        self._count += 1
        path = join(self.path, b"%d" % self._count)
        write_output(Disk(), path, blocks, is_replacing=True)
        return path


@contextmanager
def fetched_copies(package: Package, trusted: Collection[int]) -> Iterator[Fetched]:
    """Yield the folder of the copies, and remove it at the end; where the block raises, they stay."""
    with ExitStack() as held:
        yield Fetched(package, trusted, held)
        remove_fetched(package)


def remove_fetched(package: Package) -> None:
    """Remove what a repair fetched: its transaction has ended."""
    remove_tree(Disk(), fetched_path(package))
