"""Local engine: a single batch in this process, several in a process pool of this machine.

The pool and its modules are imported when there is work for them: the import takes as long as a small package.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from qa2pack.executor.stop_signals import NEVER, InterruptedByUser, Stop
from qa2pack.manifest.fs.meter import LOOK_SECONDS, Meter, metered
from qa2pack.manifest.progress import unwatched

if TYPE_CHECKING:
    from qa2pack.executor.engine.futures import FuturesEngine

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def available_jobs() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class PoolEngine:
    """Runs batches on processes of this machine; a single batch runs in this process, for lack of parallel work.

    Args:
        watch: called several times a second, while big files are read, with the bytes that running batches have read.
    """

    def __init__(self, jobs: int, stop: Stop = NEVER, watch: Callable[[int], None] = unwatched) -> None:
        self._jobs = jobs
        self._stop = stop
        self._watch = watch
        self._engine: FuturesEngine | None = None

    @property
    def jobs(self) -> int:
        """How many batches run in parallel."""
        return self._jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._engine.__exit__(kind, error, trace)

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches in parallel; see `manifest.engine.Engine`.

        Raises:
            InterruptedByUser: a stop was requested; batches that had begun were finished and yielded before, unless
                they were within a big file, and the others are in `batches` again.
            WorkersDiedError: workers die again and again on one batch.
        """
        while batches and (self._jobs == 1 or len(batches) == 1):
            self._stop.check()
            yield self._done_here(work, batches)
        if batches:
            yield from self._started().run(work, batches)
        self._stop.check()  # a stop during the work in this process

    def _done_here(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Result:
        batch = batches.popleft()
        try:
            with metered(Meter(_OwnReading(self._stop, self._watch).note)):
                return work(batch)
        except InterruptedByUser:
            batches.appendleft(batch)
            raise

    def _started(self) -> "FuturesEngine":
        if self._engine is None:
            from qa2pack.executor.engine.futures import FuturesEngine
            from qa2pack.executor.engine.process_pool import ProcessPool

            self._engine = FuturesEngine(ProcessPool(self._jobs), self._stop, self._watch)
        return self._engine


class _OwnReading:
    """What a batch in this process has read."""

    def __init__(self, stop: Stop, watch: Callable[[int], None]) -> None:
        self._stop = stop
        self._watch = watch
        self._read_bytes = 0
        self._looked_at = time.monotonic()

    def note(self, byte_count: int) -> None:
        """Count bytes.

        Raises:
            InterruptedByUser: a stop was requested.
        """
        self._stop.check()
        self._read_bytes += byte_count
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._watch(self._read_bytes)
