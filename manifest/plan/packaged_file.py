"""Packaged file: one that the origin may not have any more, and what it takes to find it at a path. Read-only."""

import math
from collections.abc import Callable

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import WRITTEN, untouched_of
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import file_status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.plan.opened_bundles import ChangedBundle

LOOK_BYTES = 256 << 20  # of the origin, where only a look is wanted: a second or two


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One packaged file that may be gone from the origin: the source is not as it was when it was packaged.

    Attributes:
        source: absolute path at the origin; of what was taken out of a bundle, as if that were a folder.
        path: path in the member.
        written: size and mtime.
        digest: NO_DIGEST where it was not read.
        goes_too: the origin leads into what is removed: what it has there is no copy.
        bundle: that of the origin which it was taken out of, if any.
    """

    source: bytes
    path: bytes
    written: tuple[int, ...]
    digest: bytes
    goes_too: bool = False
    bundle: ChangedBundle | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return self.written[0]

    def has_size(self, path: bytes) -> bool:
        """Return whether a file has the packaged size."""
        status = file_status_of(path)
        return status is not None and status.st_size == self.size

    def is_written(self, path: bytes) -> bool:
        """Return whether a file has the packaged size and mtime."""
        status = file_status_of(path)
        return status is not None and untouched_of(status)[WRITTEN] == self.written

    def has_content(self, path: bytes) -> bool:
        """Return whether a file has the packaged content; it is read."""
        if self.digest == NO_DIGEST:
            return self.is_written(path)
        if not self.has_size(path):
            return False
        try:
            with opened_file(path) as fd:
                return digest_of_fd(fd, self.size) == self.digest
        except (OSError, FileGrewOrShrankError):  # what cannot be read may be lost
            return False


class Reading:
    """Finds packaged files by their content, up to a number of bytes; what is beyond that is not read.

    Args:
        read_bytes: how much is read.
        beyond: what tells whether a path has a file that is not read.
    """

    def __init__(
        self,
        read_bytes: float = math.inf,
        *,
        beyond: Callable[[PackagedFile, bytes], bool] = PackagedFile.has_size,
    ) -> None:
        self._left_bytes = read_bytes
        self._beyond = beyond

    def may_read(self, byte_count: int) -> bool:
        """Return whether so many bytes more may be read; they count as read."""
        self._left_bytes -= byte_count
        return self._left_bytes >= 0

    def finds(self, file: PackagedFile, path: bytes) -> bool:
        """Return whether a path has the file."""
        return file.has_content(path) if self.may_read(file.size) else self._beyond(file, path)

    def finds_at_origin(self, file: PackagedFile) -> bool:
        """Return whether the origin has the file."""
        if file.goes_too:
            return False
        if file.bundle:
            return file.bundle.has(file.source, file.digest, self.may_read)
        return self.finds(file, file.source)
