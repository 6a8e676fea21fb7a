"""Taker: the interface that is given the files of a chunk while it is compared; by it a delivery is received."""

from typing import Protocol

from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.safe_open import OpenFile


class HasTaken(Protocol):
    """Who may have files of a chunk."""

    def taken(self, record: FolderRecord, index: int) -> OpenFile | None:
        """Return the opened file at `index` as it was taken before; None if none has its size and mtime."""
        ...


class Taker(HasTaken, Protocol):
    """Takes the files of a chunk, one after the other, while they are read.

    A small file is given with `take`, a large one with `begin`, `add` and `end`. After the first problem of a chunk
    nothing more is given to it. Its own errors end the check.
    """

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        """Take the file at `index`, if it is wanted; its content is as in the sidecar."""
        ...

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Begin the file at `index`; False if it is not wanted, and then the two others are not called."""
        ...

    def add(self, block: bytes | memoryview) -> None:
        """Take the next bytes of its content."""
        ...

    def end(self) -> None:
        """End it: all its bytes were given, and they are as in the sidecar."""
        ...


class _TakesNothing:
    """The taker of a check alone."""

    def taken(self, record: FolderRecord, index: int) -> None:
        pass

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        pass

    def begin(self, record: FolderRecord, index: int) -> bool:
        return False

    def add(self, block: bytes | memoryview) -> None:
        pass

    def end(self) -> None:
        pass


NOBODY: Taker = _TakesNothing()
