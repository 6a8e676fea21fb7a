"""Running batches on any `concurrent.futures` executor: a pool of processes, or whatever else is a `Crew`.

Processes, because small files are bound by the interpreter lock. A worker that is killed takes its pool with it; a
new pool is made and the batches that were under way run again, which is harmless because all work on batches is
idempotent. A batch that was under way at three such deaths is not tried again. How workers are lost and replaced
is the crew's business; `executor.cluster` has the other one.
"""

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from executor.stopping import NEVER, Stop

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
_MAX_DEATHS = 3
_AHEAD_PER_JOB = 2  # batches handed over per worker, so that none waits for the coordinator
_PATIENCE_SECONDS = 2


class WorkersDiedError(Exception):
    """Worker processes die again and again on the same batch."""


class NoWorkersError(Exception):
    """There is no worker that could be used; nothing was begun.

    Attributes:
        faults: a sentence for each worker that there is, saying what is wrong with it.
    """

    def __init__(self, reason: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.faults = faults


class WorkersLostError(Exception):
    """The workers, or the way to them, were lost while work was under way."""


def available_jobs() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class Crew(Protocol):
    """Workers that take batches one by one, and may be lost.

    Attributes:
        losses: what a future raises when the worker is lost, and not the work itself failed.
    """

    losses: tuple[type[Exception], ...]

    @property
    def jobs(self) -> int:
        """How many batches they do side by side; may change."""
        ...

    def shift(self) -> AbstractContextManager[None]:
        """Surround all batches of one run; after it, no worker is at work on any of them."""
        ...

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Let a worker do the batch."""
        ...

    def look_around(self) -> None:
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


class CrewEngine:
    """Runs batches on a crew; those of lost workers run again."""

    def __init__(self, crew: Crew, stop: Stop = NEVER) -> None:
        self._crew = crew
        self._stop = stop

    @property
    def jobs(self) -> int:
        """How many batches run side by side."""
        return self._crew.jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crew.close()

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches side by side; see `manifest.engine.Engine`.

        Raises:
            InterruptedByUser: a stop was asked for; the batches under way were finished and yielded before.
            WorkersDiedError: the workers are lost again and again on one batch.
        """
        under_way: dict[Future[Result], tuple[Batch, int]] = {}
        again: deque[tuple[Batch, int]] = deque()
        with self._crew.shift():
            try:
                while under_way or again or batches:
                    if not self._stop.is_requested:
                        self._hand_over(work, batches, again, under_way)
                    elif not under_way:
                        self._stop.check()
                    for future in self._done(under_way):
                        batch, deaths = under_way.pop(future)
                        try:
                            result = future.result()
                        except self._crew.losses as error:
                            again.append((batch, self._count_death(deaths, error)))
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
        while (again or batches) and len(under_way) < self._crew.jobs * _AHEAD_PER_JOB:
            batch, deaths = again.popleft() if again else (batches.popleft(), 0)
            under_way[self._crew.submit(work, batch)] = (batch, deaths)

    def _done(self, under_way: dict[Future[Result], tuple[Batch, int]]) -> set[Future[Result]]:
        """Return the futures that are done, or cancelled because they never would be."""
        done, _ = wait(under_way, _PATIENCE_SECONDS, FIRST_COMPLETED)
        if not done:
            # Not waited for: nobody may be left who would tell `wait` that they are cancelled.
            self._crew.look_around()
            done = {future for future in under_way if self._crew.is_given_up(future) and future.cancel()}
        return done

    def _count_death(self, deaths: int, error: Exception) -> int:
        self._crew.replace_lost()
        if deaths + 1 >= _MAX_DEATHS:
            raise WorkersDiedError("worker processes die again and again on the same piece of work") from error
        return deaths + 1


class ProcessCrew:
    """A pool of worker processes on this machine, started when it is first needed."""

    losses: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: Executor | None = None

    @property
    def jobs(self) -> int:
        """How many processes there are."""
        return self._jobs

    def shift(self) -> AbstractContextManager[None]:
        """Do nothing: what is cancelled is done before the pool is closed, and dies with this process."""
        return nullcontext()

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Let a process do the batch."""
        try:
            return self._started().submit(work, batch)
        except BrokenProcessPool:
            self.close()
            return self._started().submit(work, batch)

    def look_around(self) -> None:
        """Do nothing: the pool tells by itself of a process that dies."""

    def is_given_up(self, future: Future[Any]) -> bool:
        """Tell that it never is: the pool ends every future."""
        return False

    def replace_lost(self) -> None:
        """Close the pool, which is of no use any more; the next batch starts another."""
        self.close()

    def close(self) -> None:
        """End the processes, when they have done what is under way."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _started(self) -> Executor:
        if self._pool is None:
            # fork: starts in a tenth of the time, and the workers only do what is sent to them.
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context("fork"),
                initializer=_become_worker,
                initargs=(os.getpid(),),
            )
        return self._pool


class PoolEngine(CrewEngine):
    """Runs batches on a pool of processes of this machine."""

    def __init__(self, jobs: int, stop: Stop = NEVER) -> None:
        super().__init__(ProcessCrew(jobs), stop)


def _become_worker(parent: int) -> None:
    """Die with the parent, and leave Ctrl-C to it: the terminal sends it to all processes alike."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
