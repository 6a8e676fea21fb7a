"""Shape of an OCFL object: its files are in the content of the version that was the first to have them.

All of its inventory is in memory, some hundred bytes for each file.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from qa2pack.manifest.bundle.ocfl_object import (
    OBJECT_INVENTORY,
    Inventory,
    content_folder,
    inventory_line,
    object_files,
    object_names,
    read_inventory,
)
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.place.place import Place, content_of
from qa2pack.tarsplit.state import EarlierVersion
from qa2pack.tarsplit.tree.shape import Beside, Lists, TreeName, texts_beside

_MOST_BYTES = 1 << 30  # of an inventory: some million files


class InventoryError(Exception):
    """The inventory of an object is not that of the delivery; what is where in the object is not known."""


class ObjectShape:
    """An OCFL object with one version more than it had before, with the folder of the package in its content.

    Args:
        before: its inventory before this version.
        head: its inventory as it is; None while the version is made.
    """

    has_empty_folders = False  # it may not have any

    def __init__(self, tree: TreeName, checksums: Sequence[str], before: Inventory, head: Inventory | None) -> None:
        self._tree = tree
        self._before = before
        self._folder = content_folder(before.version + 1)
        self._head = head.state() if head else {}
        self._contents = head.contents if head else {}
        self.lists = Lists(checksums, lambda digest, path: inventory_line(digest, in_tar(tree.project, path)))
        earlier = (path.encode() for paths in before.contents.values() for path in paths)
        self.names = (*object_names(before.version + 1), *earlier)

    def folder(self, path: bytes) -> bytes:
        return path_in(self._folder, in_tar(self._tree.project, path))

    def file(self, folder: bytes, name: bytes) -> bytes:
        own = join(self.folder(folder), name)
        there = self._contents.get(self._head.get(join(in_tar(self._tree.project, folder), name), ""), ())
        return there[0].encode() if there and own.decode() not in there else own

    def list_path(self, checksum: str) -> bytes:
        return join(self._tree.name, OBJECT_INVENTORY)

    def lines(self, text: Iterator[bytes], paths: Iterator[bytes]) -> Iterator[bytes]:
        try:
            state = read_inventory(b"".join(text)).state()
        except ValueError:
            return
        for path in paths:
            yield self.lists.line(state.get(in_tar(self._tree.project, path), ""), path)

    def beside(self) -> Iterator[Beside]:
        yield from texts_beside(object_files(self._inventory()))

    def is_stored(self, sums: Sums) -> bool:
        (algorithm,) = self.lists.checksums
        return sums.result(algorithm) in self._before.contents

    def of_others(self) -> Iterator[tuple[bytes, str]]:
        contents, state = self._before.contents, {*self._head.values()}
        for digest in contents.keys() - state:
            yield from ((path.encode(), digest) for path in contents[digest])

    def _inventory(self) -> Inventory:
        (algorithm,) = self.lists.checksums
        lines = b"".join(self.lists.blocks(algorithm)).splitlines()
        return self._before.next(self._tree.project, lines, made_seconds=self._tree.mtime)


def inventory_in(place: Place, name: bytes) -> Inventory:
    """Return the inventory of the object of this name.

    Raises:
        InventoryError: there is none that this program wrote.
        PlaceError: it cannot be read.
    """
    try:
        return _inventory(place, name)
    except FileNotFoundError:
        raise InventoryError("there is none") from None


def check_first_version(place: Place, name: bytes) -> None:
    """Look whether an object, if it is there, has its first version alone, which may then be written again.

    Raises:
        InventoryError: it has another one, which its inventory would lose, or it is no such object.
        PlaceError: it cannot be read.
    """
    with suppress(FileNotFoundError):
        head = _inventory(place, name)
        if head.version != 1:
            raise InventoryError(f"that of version {head.version}")


def _inventory(place: Place, name: bytes) -> Inventory:
    try:
        with place.opened(join(name, OBJECT_INVENTORY)) as file:
            text = content_of(file, _MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise InventoryError("it is too large")
        return read_inventory(text)
    except ValueError as error:
        raise InventoryError(str(error)) from error


def inventories(place: Place, name: bytes, earlier: EarlierVersion) -> tuple[Inventory, Inventory]:
    """Return the inventory that an object had before its newest version, and the one that it has.

    Raises:
        InventoryError: it had another one.
        PlaceError: it cannot be read.
    """
    head = inventory_in(place, name)
    if head.version < earlier.version or head.at(earlier.version).sha512 != earlier.sha512:
        raise InventoryError("it does not go on from the version before that of the delivery")
    return head.at(earlier.version), head
