"""Checksums of a chunk (md5, sha256, xxh128), computed while it is written or read."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

import xxhash

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

ALWAYS = "xxh128"  # cheap; a finished chunk is recognised by it


class _Hash(Protocol):
    def copy(self) -> Self: ...
    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Sums:
    """Several checksums of the same bytes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes: dict[str, _Hash] = {name: _new(name) for name in (*names, ALWAYS)}

    def update(self, data: bytes | memoryview) -> None:
        """Add the next bytes."""
        for state in self._hashes.values():
            state.update(data)

    def copy(self) -> "Sums":
        """Return the same checksums, to which other bytes can be added."""
        copied = Sums(())
        copied._hashes = {name: state.copy() for name, state in self._hashes.items()}
        return copied

    def result(self, name: str = ALWAYS) -> str:
        """Return the digest of all bytes so far, hexadecimal."""
        return self._hashes[name].hexdigest()


class ThreadedSums(Sums):
    """Checksums computed in a thread while the caller reads and writes: md5 takes longer than both.

    The bytes of one `update` must not change before the next `update` has returned.
    """

    def __init__(self, names: Iterable[str], thread: "ThreadPoolExecutor") -> None:
        super().__init__(names)
        self._thread = thread
        self._pending: Future[None] | None = None

    def update(self, data: bytes | memoryview) -> None:
        """Give the next bytes to the thread, once it is done with the previous ones."""
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
    """Yield checksums; slow ones are computed in a thread."""
    slow = [name for name in names if name != ALWAYS]
    if not slow:
        yield Sums(())
        return
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and who reads alone does not need it

    with ThreadPoolExecutor(1) as thread:
        yield ThreadedSums(slow, thread)


def _new(name: str) -> _Hash:
    if name == "xxh128":
        return xxhash.xxh3_128()
    return hashlib.new(name, usedforsecurity=False)
