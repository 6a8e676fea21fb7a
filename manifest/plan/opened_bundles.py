"""Opened bundles: bundles of the origin that files were taken out of, and what they have of these by now. Read-only.

A bundle that is as it was in size, mtime, inode and ctime is not read. Any other is, whatever its size: it may have
another time only, or have been written again with the same files in it.
"""

import os
from collections.abc import Callable

from qa2pack.manifest.file_state import untouched_of
from qa2pack.manifest.format.header import OpenedBundle
from qa2pack.manifest.fs.presence import file_status_of, real_path
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.going_trees import GoingTrees


class ChangedBundle:
    """A bundle of the origin that is not as it was when files were taken out of it, or not there.

    Args:
        path: its absolute path at the origin.
        place: that without links: it may have been moved into a package.
        expected_bytes: the size that it had.
        goes_too: it is in what is removed.
    """

    def __init__(self, path: bytes, place: bytes, expected_bytes: int, *, goes_too: bool) -> None:
        self.goes_too = goes_too
        self._path, self._place, self._expected_bytes = path, place, expected_bytes
        self._digests: dict[bytes, bytes] | None = None

    def has(self, source: bytes, digest: bytes, may_read: Callable[[int], bool]) -> bool:
        """Return whether it has still what was taken out of it.

        Args:
            source: path of the file, as if the bundle were a folder.
            may_read: asked with the size of the bundle, which is read once for all; if it is not, its size must do.
        """
        if self._digests is None:
            status = file_status_of(self._place)
            size = 0 if status is None else status.st_size
            if not may_read(size):
                return size == self._expected_bytes
            self._digests = self._read()
        return self._digests.get(source) == digest

    def _read(self) -> dict[bytes, bytes]:
        """Return the digests of the files in it; none if it cannot be read: then they may be lost."""
        from qa2pack.manifest.scan.origin_bundle import BundleToRead, read_origin_bundle  # of no use without bundles

        folder, name = os.path.split(self._path)
        read = read_origin_bundle(BundleToRead(folder, name, package=os.path.dirname(self._place)))
        return {join(self._path, file.path): file.digest for file in read.files}


def changed_bundle(origin: bytes, bundle: OpenedBundle, going: GoingTrees) -> ChangedBundle | None:
    """Return the bundle if it is not as it was when it was opened, or goes with what is removed; None if it is.

    Manifests of older versions have no inode and ctime of it: then nobody knows, and it counts as changed.
    """
    path = os.path.join(origin, bundle.source)
    place = real_path(path)
    goes_too, status = going.have(place), file_status_of(place)
    if status is not None and not goes_too and untouched_of(status) == bundle.untouched:
        return None
    return ChangedBundle(path, place, bundle.size, goes_too=goes_too)
