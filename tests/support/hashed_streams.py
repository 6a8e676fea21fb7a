"""Seeing which plans, manifests and sidecars this process reads whole to compare them with their checksum."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from qa2pack.manifest.format import stream


@contextmanager
def hashed_streams() -> Iterator[Counter[str]]:
    """Yield how often each file was hashed, by its name and the inode number and digest that tell it from others.

    A file that is renamed or linked to another place is still the same one.
    """
    counts: Counter[str] = Counter()
    hashed = stream._digest_of

    def counted(file: BinaryIO, length: int) -> bytes:
        digest = hashed(file, length)
        counts[f"{os.path.basename(os.fsdecode(file.name))} {os.fstat(file.fileno()).st_ino} {digest.hex()[:8]}"] += 1
        return digest

    stream._digest_of = counted
    try:
        yield counts
    finally:
        stream._digest_of = hashed
