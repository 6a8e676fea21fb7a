"""Running batches on any `concurrent.futures` executor: a pool of processes, or whatever else is a `Crew`.

A batch that was under way on a lost worker runs again, which is harmless because all work on batches is idempotent.
A batch that was under way at three such losses is not tried again. How workers are lost and replaced is the crew's
business: `executor.pool` has processes of this machine, `executor.cluster` those of others.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from qa2pack.executor.engine.errors import NotBegunError, WorkersDiedError
from qa2pack.executor.stop_signals import NEVER, Stop

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_MAX_DEATHS = 3
_AHEAD_PER_JOB = 2  # batches handed over per worker, so that none waits for the coordinator
_PATIENCE_SECONDS = 2


class WorkerPool(Protocol):
    """Workers that take batches one by one, and may be lost.

    Attributes:
        losses: what a future raises when the worker is lost, and not the work itself failed.
    """

    losses: tuple[type[Exception], ...]

    @property
    def jobs(self) -> int:
        """How many batches they do side by side; may change."""
        ...

    def run_context(self) -> AbstractContextManager[None]:
        """Surround all batches of one run; after it, no worker is at work on any of them."""
        ...

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Let a worker do the batch."""
        ...

    def cancel_unstarted(self) -> None:
        """Let batches that no worker has begun raise `NotBegunError`, as far as the workers can be told."""
        ...

    def check_workers(self) -> None:
        """Called when nothing was finished for a while."""
        ...

    def is_given_up(self, future: Future[Any]) -> bool:
        """Tell whether the batch can never be done, by what was seen when looking around."""
        ...

    def replace_lost(self) -> None:
        """Called after each loss, before anything else is submitted."""
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


class FuturesEngine:
    """Runs batches on a crew; those of lost workers run again."""

    def __init__(self, pool: WorkerPool, stop: Stop = NEVER) -> None:
        self._pool = pool
        self._stop = stop

    @property
    def jobs(self) -> int:
        """How many batches run side by side."""
        return self._pool.jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches side by side; see `manifest.engine.Engine`.

        Raises:
            InterruptedByUser: a stop was asked for; the batches that were begun were finished and yielded before, and
                the others are in `batches` again.
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
                        self._pool.cancel_unstarted()
                    else:
                        self._stop.check()
                    for future in self._done(under_way):
                        batch, deaths = under_way.pop(future)
                        try:
                            result = future.result()
                        except self._pool.losses as error:
                            again.append((batch, self._count_death(deaths, error)))
                            continue
                        except NotBegunError:
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
        """Return the futures that are done, or cancelled because they never would be."""
        done, _ = wait(under_way, _PATIENCE_SECONDS, FIRST_COMPLETED)
        if not done:
            # Not waited for: nobody may be left who would tell `wait` that they are cancelled.
            self._pool.check_workers()
            done = {future for future in under_way if self._pool.is_given_up(future) and future.cancel()}
        return done

    def _count_death(self, deaths: int, error: Exception) -> int:
        self._pool.replace_lost()
        if deaths + 1 >= _MAX_DEATHS:
            raise WorkersDiedError("worker processes die again and again on the same piece of work") from error
        return deaths + 1
