"""Throttle: token bucket that limits how many bytes per second one worker reads, for shared file systems.

`run_paced` runs the work on a batch with a rate. Code that reads file contents reports the bytes to `current_pace`,
which sleeps where they exceed the rate. So a batch does not carry the rate, and process pools and clusters work
alike. Only file contents count: listing and stat calls are cheap.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.fs.meter import LOOK_SECONDS, current_meter

Batch = TypeVar("Batch")
Result = TypeVar("Result")

BURST_SECONDS = 0.1  # capacity of the bucket: unused rate of so long may be spent at once
_LEAST_WAIT_SECONDS = 0.01  # sleeping for each small file would cost more than reading it


@dataclass(frozen=True, slots=True)
class Bucket:
    """Token bucket as a value: bytes taken move `paid_at` forward by the time that they cost.

    Attributes:
        rate: bytes per second.
        paid_at: clock time, in seconds, until which a caller must wait for the bytes taken so far.
    """

    rate: float
    paid_at: float

    def taken(self, byte_count: int, now: float) -> "Bucket":
        """Return the bucket after so many bytes were taken; unused time beyond the burst is lost."""
        return Bucket(self.rate, max(self.paid_at, now - BURST_SECONDS) + byte_count / self.rate)


class Pace:
    """Sleeps where more bytes are taken than the rate allows."""

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._bucket = Bucket(rate, clock())

    def take(self, byte_count: int) -> None:
        """Count bytes that were read, and sleep until the rate allows them, unless the wait is very short."""
        self._bucket = self._bucket.taken(byte_count, self._clock())
        self._wait(_LEAST_WAIT_SECONDS)

    def settle(self) -> None:
        """Sleep until the rate allows all bytes taken so far."""
        self._wait(0)

    def _wait(self, least_seconds: float) -> None:
        """Sleep in short pieces: at a slow rate a single block may cost minutes, and the run may be stopped."""
        seconds = self._bucket.paid_at - self._clock()
        while seconds > least_seconds:
            self._sleep(min(seconds, LOOK_SECONDS))
            current_meter().look()
            seconds = self._bucket.paid_at - self._clock()


_CURRENT: ContextVar[Pace | None] = ContextVar("pace", default=None)


def current_pace() -> Pace | None:
    """Return the pace of the work in this thread; None where reading is not limited."""
    return _CURRENT.get()


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Limit what is read inside to that pace; on exit, sleep for what is still owed."""
    token = _CURRENT.set(pace)
    try:
        yield
        pace.settle()
    finally:
        _CURRENT.reset(token)


def run_paced(rate: float, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Do the work on a batch, reading at most `rate` bytes per second."""
    with paced(Pace(rate)):
        return work(batch)


class PacedEngine:
    """Engine whose workers together read at most `rate` bytes per second.

    Each worker gets an equal share, whether or not the others use theirs: workers do not communicate.
    """

    def __init__(self, engine: Engine, rate: int) -> None:
        self._engine = engine
        self._rate = rate

    @property
    def jobs(self) -> int:
        """How many batches run side by side."""
        return self._engine.jobs

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches; see `manifest.engine.Engine`."""
        return self._engine.run(partial(run_paced, self._rate / self.jobs, work), batches)
