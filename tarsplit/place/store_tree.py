"""Tree in a store: each file has its name when all of it is there, and a store has no folders without files."""

from contextlib import AbstractContextManager

from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.place.place import Place, Upload


class StoreTree:
    """A tree of a store; its methods as `Tree` has them.

    Args:
        place: the folder of the store that it is in.
    """

    def __init__(self, place: Place, name: bytes) -> None:
        self._place = place
        self._name = self._folder = name

    def enter(self, folder: bytes) -> None:
        """Do nothing: a folder comes into being with its first file."""
        self._folder = path_in(self._name, folder)

    def has(self, name: bytes, size: int, digest: bytes) -> bool:
        """Compare the size that the store tells; reads nothing."""
        seen = self._place.seen(join(self._folder, name))
        return seen is not None and seen.byte_count == size

    def upload(self, name: bytes, size: int, *, mode: int, mtime_ns: int | None) -> AbstractContextManager[Upload]:
        """Begin a file, or go on with it."""
        return self._place.upload(join(self._folder, name), size)

    def remove(self, name: bytes) -> None:
        """Remove a file."""
        self._place.remove([join(self._folder, name)])

    def names(self, folder: bytes) -> list[bytes]:
        """Return what is in a folder."""
        return self._place.names(path_in(self._name, folder))

    def finish(self) -> None:
        """Do nothing: each file is there."""
