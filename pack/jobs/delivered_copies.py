"""Copies of files in deliveries, from which a package is repaired: folders with a sidecar, and stores."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.path import is_address, join
from qa2pack.tarsplit.check import find_sidecars
from qa2pack.tarsplit.extract import Wanted, extract
from qa2pack.tarsplit.naming import is_beside_chunks
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.sidecar import open_sidecar


def is_delivery(place: bytes) -> bool:
    """Return whether a place is that of a delivery: the address of a store, or a folder with a sidecar."""
    return is_address(os.fsdecode(place)) or (is_folder(place) and bool(find_sidecars(place)))


def check_stores(places: Iterable[bytes]) -> None:
    """Check that those of the places that are stores can be used.

    Raises:
        Refused: one cannot.
    """
    for place in places:
        place_at(place).check()


def extract_wanted(places: Iterable[bytes], wanted: Wanted, folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents that the deliveries have into a folder; reads nothing else of the tars.

    Yields the path of each, and where its tar is.

    Args:
        wanted: what is written is taken out of it.

    Raises:
        StoreError: a store does not answer.
        OSError: the folder cannot be written.
    """
    for path in places:
        if not wanted:
            return
        place = place_at(path)
        with place.local(is_beside_chunks) as beside:
            for name in find_sidecars(beside):
                with suppress(StreamError):  # a manifest of something else, or a damaged one: nothing is had by it
                    yield from extract(open_sidecar(join(beside, name)), place, wanted, folder)
