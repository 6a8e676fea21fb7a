"""The checksums of a chunk, taken while it passes by."""

import hashlib
from collections.abc import Iterable
from typing import Protocol

import xxhash

ALWAYS = "xxh128"  # costs next to nothing, and is how a finished chunk is known again


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Sums:
    """Several checksums of the same bytes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes: dict[str, _Hash] = {name: _new(name) for name in (*names, ALWAYS)}

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        for state in self._hashes.values():
            state.update(data)

    def result(self, name: str = ALWAYS) -> str:
        """Return the digest of all bytes so far, hexadecimal."""
        return self._hashes[name].hexdigest()


def _new(name: str) -> _Hash:
    if name == "xxh128":
        return xxhash.xxh3_128()
    return hashlib.new(name, usedforsecurity=False)
