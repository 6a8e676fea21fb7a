"""Find the place that a path or an address names."""

import os

from qa2pack.manifest.path import is_address
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.place.place import Place


def place_at(path: bytes) -> Place:
    """Return the place at the absolute path of a folder, or at the address of a store."""
    text = os.fsdecode(path)
    if not is_address(text):
        return Folder(path)
    from qa2pack.tarsplit.place.store import Store  # what it imports takes long, and most places are folders

    return Store(text)
