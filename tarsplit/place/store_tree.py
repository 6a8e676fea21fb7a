"""Tree in a store: each file has its name when all of it is there, and a store has no folders without files."""

from contextlib import AbstractContextManager

import xxhash

from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.place.place import Place, Upload

_SMALL_BYTES = 1 << 10  # the checksum file of one inventory has the size of that of another


class StoreTree:
    """A tree of a store; its methods as `Tree` has them.

    Args:
        place: the folder of the store that it is in.
        is_read: what is there is known by its content alone.
    """

    def __init__(self, place: Place, name: bytes, *, is_read: bool = False) -> None:
        self._place = place
        self._is_read = is_read
        self._name = self._folder = name

    def enter(self, folder: bytes) -> None:
        """Do nothing: a folder comes into being with its first file."""
        self._folder = path_in(self._name, folder)

    def has(self, name: bytes, size: int, digest: bytes) -> bool:
        """Compare the size that the store tells; of what is as small as a checksum file, the content."""
        path = join(self._folder, name)
        seen = self._place.seen(path)
        if seen is None or seen.byte_count != size:
            return False
        return (size > _SMALL_BYTES and not self._is_read) or self._digest(path) == digest

    def upload(self, name: bytes, size: int, *, mode: int, mtime_ns: int | None) -> AbstractContextManager[Upload]:
        """Begin a file, or go on with it."""
        return self._place.upload(join(self._folder, name), size)

    def remove(self, name: bytes) -> None:
        """Remove a file, and the folders that it was alone in, where the store has folders."""
        self._place.remove([join(self._folder, name)])
        folder = self._folder
        while folder != self._name and not self._place.names(folder):
            self._place.remove([folder])
            folder = folder.rpartition(b"/")[0]

    def _digest(self, path: bytes) -> bytes:
        state = xxhash.xxh3_128()
        with self._place.opened(path) as file:
            while block := file.read(BUFFER_BYTES):
                state.update(block)
        return state.digest()

    @property
    def where(self) -> bytes:
        """Its address."""
        return join(self._place.path, self._name)

    def names(self, folder: bytes) -> list[bytes]:
        """Return what is in a folder."""
        return self._place.names(path_in(self._name, folder))

    def finish(self) -> None:
        """Do nothing: each file is there."""
