"""Futures engine: runs batches on a `WorkerPool` of `concurrent.futures`, and again those of lost workers.

A batch that was running on a lost worker runs again, which is harmless because all work on batches is idempotent. A
batch that was running at three such losses is not tried again. How workers are lost and replaced is up to the pool:
`executor.engine.process_pool` has processes of this machine, `executor.engine.dask` workers of a Dask cluster.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from qa2pack.executor.engine.errors import CalledOffError, WorkersDiedError
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.manifest.fs.meter import LOOK_SECONDS
from qa2pack.manifest.progress import unwatched

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_MAX_DEATHS = 3
_AHEAD_PER_JOB = 2  # batches submitted per worker, so that none waits for the coordinator
_PATIENCE_SECONDS = 2


class WorkerPool(Protocol):
    """Worker pool: workers that run batches, and that may be lost.

    Attributes:
        losses: exceptions of a future whose worker was lost, as opposed to failed work.
    """

    losses: tuple[type[Exception], ...]

    @property
    def jobs(self) -> int:
        """How many batches run in parallel; may change."""
        ...

    def run_context(self) -> AbstractContextManager[None]:
        """Context for one run. On exit no worker is processing any of its batches."""
        ...

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Submit a batch to a worker."""
        ...

    def running_bytes(self) -> int:
        """Return how many bytes the running batches have read so far, as far as the pool knows."""
        ...

    def call_off(self) -> None:
        """Let batches that no worker has begun, or that are within a big file, raise `CalledOffError`."""
        ...

    def check_workers(self) -> None:
        """Check which workers are alive; called when no batch was finished for a while."""
        ...

    def is_given_up(self, future: Future[Any]) -> bool:
        """Return whether the batch can never be done, as of the last check of the workers."""
        ...

    def replace_lost(self) -> None:
        """Replace lost workers; called after each loss, before anything else is submitted."""
        ...

    def close(self) -> None:
        """End the workers, or disconnect from them."""
        ...


class FuturesEngine:
    """Runs batches on a worker pool; those of lost workers run again.

    Args:
        watch: called several times a second, while batches run, with the bytes that these have read so far.
    """

    def __init__(self, pool: WorkerPool, stop: Stop = NEVER, watch: Callable[[int], None] = unwatched) -> None:
        self._pool = pool
        self._stop = stop
        self._watch = watch
        self._looked_at = self._heard_at = time.monotonic()

    @property
    def jobs(self) -> int:
        """How many batches run in parallel."""
        return self._pool.jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches in parallel; see `manifest.engine.Engine`.

        Raises:
            InterruptedByUser: a stop was requested; batches that had begun were finished and yielded before, unless
                they were within a big file, and the others are in `batches` again.
            WorkersDiedError: the workers are lost again and again on one batch.
        """
        under_way: dict[Future[Result], tuple[Batch, int]] = {}
        again: deque[tuple[Batch, int]] = deque()
        with self._pool.run_context():
            try:
                while under_way or again or batches:
                    if not self._stop.is_requested:
                        self._hand_over(work, batches, again, under_way)
                    elif under_way:
                        self._pool.call_off()
                    else:
                        self._stop.check()
                    for future in self._done(under_way):
                        batch, deaths = under_way.pop(future)
                        try:
                            result = future.result()
                        except self._pool.losses as error:
                            again.append((batch, self._count_death(deaths, error)))
                            continue
                        except CalledOffError:
                            batches.appendleft(batch)
                            continue
                        yield result
            finally:
                for future in under_way:
                    future.cancel()

    def _hand_over(
        self,
        work: Callable[[Batch], Result],
        batches: deque[Batch],
        again: deque[tuple[Batch, int]],
        under_way: dict[Future[Result], tuple[Batch, int]],
    ) -> None:
        while (again or batches) and len(under_way) < self._pool.jobs * _AHEAD_PER_JOB:
            batch, deaths = again.popleft() if again else (batches.popleft(), 0)
            under_way[self._pool.submit(work, batch)] = (batch, deaths)

    def _done(self, under_way: dict[Future[Result], tuple[Batch, int]]) -> set[Future[Result]]:
        """Return the futures that are done, or cancelled because they can never be done."""
        done, _ = wait(under_way, LOOK_SECONDS, FIRST_COMPLETED)
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._watch(self._pool.running_bytes())
        if done:
            self._heard_at = now
        elif now - self._heard_at >= _PATIENCE_SECONDS:
            self._heard_at = now
            # `wait` is not called for these: with no worker left, it would never see that they are cancelled.
            self._pool.check_workers()
            done = {future for future in under_way if self._pool.is_given_up(future) and future.cancel()}
        return done

    def _count_death(self, deaths: int, error: Exception) -> int:
        self._pool.replace_lost()
        if deaths + 1 >= _MAX_DEATHS:
            raise WorkersDiedError("worker processes die again and again on the same piece of work") from error
        return deaths + 1
