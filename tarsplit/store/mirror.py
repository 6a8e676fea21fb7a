"""The small files of a delivery in a store, fetched into a folder of this machine and sent from it."""

import os
from collections.abc import Iterable

from qa2pack.manifest.path import join
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.output_files import new_part, publish_part, write_all
from qa2pack.tarsplit.store.store import Store

_BLOCK_BYTES = 1 << 20


def fetch(store: Store, folder: bytes, names: Iterable[bytes]) -> None:
    """Fetch those of the files that are there."""
    for name in names:
        try:
            with store.opened(name) as file, new_part(join(folder, name)) as fd:
                while block := file.read(_BLOCK_BYTES):
                    write_all(fd, block)
                publish_part(fd, join(folder, name))
        except FileNotFoundError:
            outfile.remove(join(folder, name))


def send(store: Store, folder: bytes, names: Iterable[bytes]) -> None:
    """Send files, one after the other; each is there, whole, before the next one is begun."""
    for name in names:
        path = join(folder, name)
        upload = store.upload(name, os.stat(path).st_size)
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                upload.write(block)
        upload.finish()
