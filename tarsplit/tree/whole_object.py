"""Whole object: whether an OCFL object of which no sidecar tells is, byte for byte, what its own inventory says."""

from collections.abc import Mapping
from hashlib import sha512

from qa2pack.manifest.bundle.ocfl_object import Inventory, object_files
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.container.reader import summed
from qa2pack.tarsplit.place.place import Place, PlaceError
from qa2pack.tarsplit.tree.compare import inner_names
from qa2pack.tarsplit.tree.object_shape import InventoryError, inventory_in


@dataclass(frozen=True, slots=True)
class WholeObject:
    """An object that was read.

    Attributes:
        stored: the SHA-512 of each content of any version, by size and XXH3-128.
    """

    head: Inventory
    stored: Mapping[tuple[int, bytes], str]


def whole_object(place: Place, name: bytes) -> WholeObject | None:
    """Return an object of this program that has all of its files as they were, and no others; None for anything else.

    Every file is read.
    """
    try:
        head = inventory_in(place, name)
        if head.fields["id"] != Inventory.empty(name).fields["id"]:
            return None
        beside = {path: sha512(text).hexdigest() for path, text in object_files(head)}
        contents = {path.encode(): digest for digest, paths in head.contents.items() for path in paths}
        paths = beside | contents
        if not _has_names(place, name, paths) or (stored := _stored(place, name, paths)) is None:
            return None
        return WholeObject(head, {content: digest for content, digest in stored.items() if digest in head.contents})
    except (FileNotFoundError, InventoryError, PlaceError):
        return None


def _has_names(place: Place, name: bytes, paths: Mapping[bytes, str]) -> bool:
    """Return whether a tree has files or folders of these names, and no others."""
    folders = inner_names(paths, ())
    return all({*place.names(path_in(name, folder))} == known for folder, known in folders.items())


def _stored(place: Place, name: bytes, digests: Mapping[bytes, str]) -> dict[tuple[int, bytes], str] | None:
    """Read files; return their SHA-512 by size and XXH3-128, or None as soon as one has another SHA-512."""
    stored = {}
    for path, digest in digests.items():
        sums, size = Sums(("sha512",)), 0
        with place.opened(join(name, path)) as file:
            read = summed(file.read, sums)
            while block := read(BUFFER_BYTES):
                size += len(block)
        if sums.result("sha512") != digest:
            return None
        stored[size, bytes.fromhex(sums.result())] = digest
    return stored
