"""The checksums of a chunk, taken while it passes by."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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


class ThreadedSums(Sums):
    """Checksums that a thread takes while the caller reads and writes: md5 takes longer than both.

    Bytes must stay as they are until the next ones were taken.
    """

    def __init__(self, names: Iterable[str], thread: ThreadPoolExecutor) -> None:
        super().__init__(names)
        self._thread = thread
        self._pending: Future[None] | None = None

    def update(self, data: bytes | memoryview) -> None:
        """Let the thread take the next bytes, as soon as it is done with the last ones."""
        self._wait()
        self._pending = self._thread.submit(super().update, data)

    def result(self, name: str = ALWAYS) -> str:
        """Return the digest of all bytes so far, hexadecimal."""
        self._wait()
        return super().result(name)

    def _wait(self) -> None:
        if self._pending:
            self._pending.result()


@contextmanager
def threaded_sums(names: Iterable[str]) -> Iterator[Sums]:
    """Yield checksums that take no time of the caller's, where they would take much."""
    slow = [name for name in names if name != ALWAYS]
    if not slow:
        yield Sums(())
        return
    with ThreadPoolExecutor(1) as thread:
        yield ThreadedSums(slow, thread)


def _new(name: str) -> _Hash:
    if name == "xxh128":
        return xxhash.xxh3_128()
    return hashlib.new(name, usedforsecurity=False)
