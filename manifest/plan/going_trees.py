"""Going trees: the folders that a rollback or a plan removes, and which paths of the origin lead there. Read-only.

A folder is known by its numbers of device and inode, whatever leads to it: its name, a symlink or a bind mount. Those
of a file would not tell: a hard link of it that is in a folder elsewhere stays.
"""

import os
from collections.abc import Iterable
from functools import cached_property

from qa2pack.manifest.fs.presence import followed_status_of


class GoingTrees:
    """The trees that are removed; each folder is looked at once.

    Args:
        trees: their folders.
    """

    def __init__(self, trees: Iterable[bytes] = ()) -> None:
        self._trees = tuple(trees)
        self._known: dict[bytes, bool] = {}

    def have(self, path: bytes) -> bool:
        """Return whether the folder of that path is one of theirs."""
        folder = os.path.dirname(path)
        if folder not in self._known:
            self._known[folder] = _identity(folder) in self._folders
        return self._known[folder]

    @cached_property
    def _folders(self) -> frozenset[tuple[int, int]]:
        # What cannot be listed is reported where the package is compared with its manifest.
        walked = (folder for tree in self._trees for folder, _, _ in os.walk(tree))
        return frozenset(identity for identity in map(_identity, walked) if identity)


def _identity(folder: bytes) -> tuple[int, int] | None:
    status = followed_status_of(folder)
    return None if status is None else (status.st_dev, status.st_ino)
