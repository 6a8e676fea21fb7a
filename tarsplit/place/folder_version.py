"""Next version of an object in a folder of this machine: it is made beside the object, and moved into it at the end.

    OBJECT.part/v2 -> OBJECT/v2
    OBJECT.part/inventory.json -> OBJECT/inventory.json, and then its checksum file

Until the inventory is exchanged the object is as it was, with a folder in it that the inventory does not name. A stop
between the moves is gone on from: what was moved is found in the object, what was not, beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.manifest.bundle.ocfl_object import OBJECT_INVENTORY
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.naming import PART
from qa2pack.tarsplit.place.folder_tree import begun_file, is_at, names_in
from qa2pack.tarsplit.place.place import Upload


class FolderVersion:
    """What is added to an object; its methods as `Tree` has them.

    Args:
        parent: absolute path of the folder that the object is in.
    """

    def __init__(self, parent: bytes, name: bytes) -> None:
        self._object = join(parent, name)
        self._beside = self._object + PART
        self._folder = b""

    def enter(self, folder: bytes) -> None:
        """Make nothing: an object has no folders without files, and perhaps all of these are there."""
        self._folder = folder

    def has(self, name: bytes, size: int, digest: bytes) -> bool:
        """Read a file beside the object, from where it will be moved, or else in it, and compare its digest."""
        is_beside = is_there(join(path_in(self._beside, self._folder), name))
        return is_at(self._beside if is_beside else self._object, self._folder, name, size, digest)

    @contextmanager
    def upload(self, name: bytes, size: int, *, mode: int, mtime_ns: int | None) -> Iterator[Upload]:
        """Begin a file beside the object."""
        outfile.make_folder_below(self._beside, self._folder)
        with begun_file(self._beside, self._folder, name, mode=mode, mtime_ns=mtime_ns) as upload:
            yield upload

    def remove(self, name: bytes) -> None:
        """Remove a file beside the object, and the folders that it was alone in."""
        outfile.remove_below(self._beside, self._folder, name)

    @property
    def where(self) -> bytes:
        """Path of the folder beside the object."""
        return self._beside

    def names(self, folder: bytes) -> list[bytes]:
        """Return what is in a folder beside the object."""
        return names_in(self._beside, folder)

    def finish(self) -> None:
        """Sync all, and move it into the object."""
        outfile.publish_into(self._beside, self._object, last=OBJECT_INVENTORY)
