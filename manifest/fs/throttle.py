"""How fast one worker may read: a bound on bytes per second, for file systems that others share.

Work on a batch is surrounded by `run_paced`; whatever reads contents below it tells `current_pace` how much it has
read, and is held up. So the description of a batch knows nothing of it, and the way is the same on a pool of
processes and on a cluster. Only contents count: names and states of files are cheap to ask for.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from qa2pack.manifest.engine import Engine

Batch = TypeVar("Batch")
Result = TypeVar("Result")

BURST_SECONDS = 0.1  # of what was not used, so much may be made up for
_LEAST_WAIT_SECONDS = 0.01  # to wait for each small file would cost more than to read it


@dataclass(frozen=True, slots=True)
class Bucket:
    """What may be taken, as a value: what is taken is paid for with time.

    Attributes:
        rate: bytes per second.
        paid_at: the moment, in seconds, at which all that was taken is paid for.
    """

    rate: float
    paid_at: float

    def taken(self, byte_count: int, now: float) -> "Bucket":
        """Return the bucket after that was taken; time that was not used long ago pays for nothing."""
        return Bucket(self.rate, max(self.paid_at, now - BURST_SECONDS) + byte_count / self.rate)


class Pace:
    """Holds up whoever takes more than the rate."""

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._bucket = Bucket(rate, clock())

    def take(self, byte_count: int) -> None:
        """Tell that so much was read, and wait until it is paid for, but not for very little."""
        self._bucket = self._bucket.taken(byte_count, self._clock())
        self._wait(_LEAST_WAIT_SECONDS)

    def settle(self) -> None:
        """Wait until all is paid for, to the last byte."""
        self._wait(0)

    def _wait(self, least_seconds: float) -> None:
        seconds = self._bucket.paid_at - self._clock()
        if seconds > least_seconds:
            self._sleep(seconds)


_CURRENT: ContextVar[Pace | None] = ContextVar("pace", default=None)


def current_pace() -> Pace | None:
    """Return the pace of the work that is being done in this thread; none where there is no bound."""
    return _CURRENT.get()


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Let what is read inside go at that pace; at the end all of it is paid for."""
    token = _CURRENT.set(pace)
    try:
        yield
        pace.settle()
    finally:
        _CURRENT.reset(token)


def run_paced(rate: float, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Do the work on a batch, reading no more than so many bytes per second."""
    with paced(Pace(rate)):
        return work(batch)


class PacedEngine:
    """An engine whose workers together read no more than so many bytes per second.

    Each gets its share, whether the others use theirs or not: they do not talk to each other.
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
