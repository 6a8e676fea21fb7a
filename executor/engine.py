"""Running batches on any `concurrent.futures` executor, above all on a pool of processes.

Processes, because small files are bound by the interpreter lock. A worker that is killed takes its pool with it; a
new pool is made and the batches that were under way run again, which is harmless because all work on batches is
idempotent. A batch that was under way at three such deaths is not tried again.
"""

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self, TypeVar

from executor.stopping import NEVER, Stop

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
_MAX_DEATHS = 3
_AHEAD_PER_JOB = 2  # batches handed over per worker, so that none waits for the coordinator


class WorkersDiedError(Exception):
    """Worker processes die again and again on the same batch."""


def available_jobs() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


class PoolEngine:
    """Runs batches on a pool of worker processes that is started when it is first needed."""

    def __init__(self, jobs: int, stop: Stop = NEVER) -> None:
        self.jobs = jobs
        self._stop = stop
        self._pool: Executor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches side by side; see `manifest.engine.Engine`.

        Raises:
            InterruptedByUser: a stop was asked for; the batches under way were finished and yielded before.
        """
        under_way: dict[Future[Result], tuple[Batch, int]] = {}
        again: deque[tuple[Batch, int]] = deque()
        try:
            while under_way or again or batches:
                if not self._stop.is_requested:
                    self._hand_over(work, batches, again, under_way)
                elif not under_way:
                    self._stop.check()
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    batch, deaths = under_way.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool as error:
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
        while (again or batches) and len(under_way) < self.jobs * _AHEAD_PER_JOB:
            batch, deaths = again.popleft() if again else (batches.popleft(), 0)
            try:
                future = self._started().submit(work, batch)
            except BrokenProcessPool:
                self._close()
                future = self._started().submit(work, batch)
            under_way[future] = (batch, deaths)

    def _started(self) -> Executor:
        if self._pool is None:
            # fork: starts in a tenth of the time, and the workers only do what is sent to them.
            self._pool = ProcessPoolExecutor(
                self.jobs,
                mp_context=multiprocessing.get_context("fork"),
                initializer=_become_worker,
                initargs=(os.getpid(),),
            )
        return self._pool

    def _count_death(self, deaths: int, error: BrokenProcessPool) -> int:
        self._close()
        if deaths + 1 >= _MAX_DEATHS:
            raise WorkersDiedError("worker processes die again and again on the same piece of work") from error
        return deaths + 1

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _become_worker(parent: int) -> None:
    """Die with the parent, and leave Ctrl-C to it: the terminal sends it to all processes alike."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
