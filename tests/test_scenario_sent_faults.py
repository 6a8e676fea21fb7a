"""Sending to a store, of which a call fails, or from one on all fail: a sidecar is there with all else or not at all.

The same command finishes then, and the store has what it has without a fault. Each call that changes a store in
memory is tried, and some requests to an S3 server.
"""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from qa2pack.tarsplit.place.store import Store
from support.commands import run_redirected
from support.deliveries import DAY, PROJECT, make_package
from support.s3_servers import BUCKET, PASS, s3_server

DENIED = 403  # is not tried again
STRIDE = 10  # requests between those that are tried
MANIFEST = f"{PROJECT}_{DAY}.manifest".encode()


class Faults:
    """Which calls fail: one, or all from one on, as where the program is killed or the network gone."""

    def __init__(self) -> None:
        self.count = 0
        self.first = self.last = -1

    def next_fails(self) -> bool:
        """Count one more call."""
        self.count += 1
        return self.first < self.count <= self.last

    def at(self, number: int, *, is_one: bool) -> None:
        """Let the call of this number, from 0, fail, and those after it."""
        self.count, self.first, self.last = 0, number, number + 1 if is_one else 1 << 30

    def stop(self) -> None:
        """Let none fail."""
        self.first = self.last = -1


def send(package: Path, to: str) -> int:
    return run_redirected("tarsplit", package, "-n", DAY, "--to", to, "--jobs", "1", "--size", "70000").code


def stored(to: str) -> dict[bytes, bytes]:
    return {name: Store(to).small(name, 1 << 20) for name in Store(to).names()}


def survive(package: Path, to: str, faults: Faults, stride: int) -> None:
    """Send with a fault at each of the places, and again without."""
    assert send(package, to) == 0
    count, whole = faults.count, stored(to)
    assert count > 10
    for turn, at in enumerate(range(0, count, stride)):
        Store(to).remove(stored(to))
        faults.at(at, is_one=turn % 2 == 1)
        code = send(package, to)
        faults.stop()
        found = stored(to)
        assert code == 4 or MANIFEST in found
        assert MANIFEST not in found or whole.items() <= found.items()
        assert send(package, to) == 0
        assert stored(to) == whole


@pytest.fixture
def package(tmp_path: Path) -> Path:
    make_package(tmp_path / PROJECT, {"qa/a.png": b"a" * 50_000, "script/b.py": b"b" * 60_000})
    return tmp_path / PROJECT


class InMemory(MemoryFileSystem):  # type: ignore[misc]
    """A store in the memory of this process; what fsspec calls `memory://` is no place for a delivery."""

    protocol = "tried"
    store: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("tried://", "memory://")))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """A store in memory with faults."""
    faults = Faults()

    def failing(real: Callable[..., Any], is_change: Callable[..., bool]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            if is_change(*words, **options) and faults.next_fails():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*words, **options)

        return call

    register_implementation("tried", InMemory, clobber=True)
    monkeypatch.setattr(InMemory, "store", {})
    monkeypatch.setattr(InMemory, "_open", failing(InMemory._open, lambda *_, mode="rb", **__: mode != "rb"))
    monkeypatch.setattr(InMemory, "rm_file", failing(InMemory.rm_file, lambda *_: True))
    yield faults


def test_fault_in_any_call_of_a_store(package: Path, memory: Faults) -> None:
    survive(package, "tried://out", memory, stride=1)


def test_fault_in_a_request_to_s3(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults()
    with s3_server(monkeypatch) as proxy:
        proxy.decide = lambda method, path: DENIED if method not in ("GET", "HEAD") and faults.next_fails() else PASS
        survive(package, f"s3://{BUCKET}/out", faults, STRIDE)
