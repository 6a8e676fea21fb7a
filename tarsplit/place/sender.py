"""Sender: the lock of a delivery in a store, a file that names the run that sends it.

A store has no locks. So the run that sends makes a file that must not be there yet, and removes it at its end. A
killed run leaves it: where the kernel tells that the process has ended, the next run goes on in its place. Of a
process on another machine nobody knows that, so its file is believed.

Where a store makes a file only if there is none (S3 since 2024, SFTP), one of two runs that begin at the same moment
is refused. Elsewhere the later file wins, and the other run finds it at its next look: before each list of finished
files, and before the sidecar.
"""

import getpass
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Protocol, Self

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.wire import read_value
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import PackError
from qa2pack.tarsplit.place.place import StoreBusyError

_MOST_BYTES = 1 << 16
_STARTED = 19  # place of the start time among the fields of /proc/PID/stat that follow the name of the program
_running: set[str] = set()  # tokens of the runs of this process


class MarkedStore(Protocol):
    """What a place must do for a marker of its sender."""

    @property
    def path(self) -> bytes:
        """Its address."""

    def create(self, name: bytes, data: bytes) -> bool:
        """Write a small file if none of that name is there; return whether it is there with this content."""

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file."""

    def small(self, name: bytes, limit_bytes: int) -> bytes:
        """Return the content of a file, no more than so much of it; raises FileNotFoundError."""

    def remove(self, names: list[bytes]) -> None:
        """Remove files."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A run that sends.

    Attributes:
        machine: tells the machine, since its last start, and the container from others; empty if not known.
        started: when the process was started, as its kernel counts; tells it from another one with its number.
        since: when it began to send, by its own clock, in words.
        token: tells it from any other run.
    """

    host: str
    machine: str
    process: int
    started: int
    user: str
    since: str
    token: str

    @classmethod
    def this(cls) -> Self:
        """Return this process."""
        import socket  # slow to import, as uuid is, and only who sends to a store needs them
        import uuid

        process = os.getpid()
        started, since = _started(process) or 0, utc_time(time.time_ns())
        return cls(socket.gethostname(), _machine(), process, started, _user(), since, uuid.uuid4().hex)

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have ended."""
        if not self.machine or self.machine != _machine():
            return False
        if self.process == os.getpid():
            return self.token not in _running
        return _started(self.process) != self.started

    def __str__(self) -> str:
        return f"process {self.process} of {self.user} on {self.host}, since {self.since}"


@contextmanager
def sole_sender(store: MarkedStore, name: bytes, *, is_taking_over: bool) -> Iterator[Callable[[], None]]:
    """Be the only run that sends; yield what checks that this run still is, and raises StoreBusyError if not.

    Args:
        name: of the file that says who sends.
        is_taking_over: the run that the file names has ended.

    Raises:
        StoreBusyError: another run sends, as far as is known.
        PlaceError: the store fails.
    """
    this = Sender.this()
    mine = json.dumps(asdict(this)).encode()
    _begin(store, name, mine, is_taking_over=is_taking_over)

    def check() -> None:
        there = _content(store, name)
        if there != mine:
            raise _busy(store, name, _decoded(there))

    _running.add(this.token)
    try:
        yield check
    finally:
        _running.discard(this.token)
        with suppress(PackError):  # what failed before is what is reported; the next run sees that this one has ended
            if _content(store, name) == mine:
                store.remove([name])


def _begin(store: MarkedStore, name: bytes, mine: bytes, *, is_taking_over: bool) -> None:
    if store.create(name, mine):
        return
    found = _decoded(_content(store, name))  # none: gone since, or a run was killed while it wrote the file
    if found and not (is_taking_over or found.has_ended):
        raise _busy(store, name, found)
    store.remove([name])
    if not store.create(name, mine):
        raise _busy(store, name, _decoded(_content(store, name)))


def _busy(store: MarkedStore, name: bytes, sender: Sender | None) -> StoreBusyError:
    return StoreBusyError(join(store.path, name), str(sender or "another run"))


def _content(store: MarkedStore, name: bytes) -> bytes:
    try:
        return store.small(name, _MOST_BYTES)
    except FileNotFoundError:
        return b""


def _decoded(text: bytes) -> Sender | None:
    try:
        return read_value(Sender, json.loads(text))
    except (ValueError, RecursionError):
        return None


def _machine() -> str:
    """Return what tells this start of this machine, and the container, from others; empty without a /proc."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(process: int) -> int | None:
    """Return when a process was started, in ticks since that of the machine; None if there is no such process."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[_STARTED])
    except (OSError, ValueError, IndexError):
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())
