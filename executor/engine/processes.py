"""A crew of processes of this machine, because small files are bound by the interpreter lock.

A worker that is killed takes its pool with it; a new pool is made. That the work is called off is told to all workers
in a byte of memory that they share with this process: the pool itself takes back no batch that is in its queue.
"""

import ctypes
import mmap
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from qa2pack.executor.engine.errors import NotBegunError

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
_CALLED_OFF = b"\1"


class ProcessPool:
    """A pool of worker processes on this machine, started when it is first needed."""

    losses: tuple[type[Exception], ...] = (BrokenProcessPool, CancelledError)

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: Executor | None = None
        self._pools: WeakKeyDictionary[Future[Any], Executor] = WeakKeyDictionary()  # of each batch handed over
        self._ping: Future[None] | None = None
        self._notice = mmap.mmap(-1, 1)  # shared with processes that are forked

    @property
    def jobs(self) -> int:
        """How many processes there are."""
        return self._jobs

    def run_context(self) -> AbstractContextManager[None]:
        """Do nothing: what is cancelled is done before the pool is closed, and dies with this process."""
        return nullcontext()

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Let a process do the batch."""
        try:
            future = self._started().submit(_do, work, batch)
        except BrokenProcessPool:
            self.close()
            future = self._started().submit(_do, work, batch)
        self._pools[future] = self._started()
        return future

    def cancel_unstarted(self) -> None:
        """Tell the workers to begin nothing more, for good."""
        self._notice[:] = _CALLED_OFF

    def check_workers(self) -> None:
        """Find out whether the pool broke: it never ends a batch that was handed over at that very moment."""
        if self._pool is not None and (self._ping is None or self._ping.done()):
            try:
                self._ping = self._pool.submit(_nothing)
            except BrokenProcessPool:
                self.close()

    def is_given_up(self, future: Future[Any]) -> bool:
        """Tell whether the batch was handed to a pool that is gone."""
        return self._pools.get(future) is not self._pool

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
            try:
                # fork: starts in a tenth of the time, and the workers only do what is sent to them.
                self._pool = ProcessPoolExecutor(
                    self._jobs,
                    mp_context=multiprocessing.get_context("fork"),
                    initializer=_become_worker,
                    initargs=(os.getpid(), self._notice),
                )
            except (
                OSError
            ):  # processes talk through semaphores in /dev/shm, and some containers let nobody write there
                self._pool = _InThisProcess()
        return self._pool


class _InThisProcess(Executor):
    """Does each batch at once, one after the other: no threads, which would share the buffer for reading."""

    def submit(self, work: Callable[..., Result], /, *arguments: Any, **named: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def _become_worker(parent: int, notice: mmap.mmap) -> None:
    """Die with the parent, and leave Ctrl-C to it: the terminal sends it to all processes alike."""
    _notices.append(notice)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


_notices: list[mmap.mmap] = []  # of a worker process, which has one


def _nothing() -> None:
    pass


def _do(work: Callable[[Batch], Result], batch: Batch) -> Result:
    if any(notice[:] == _CALLED_OFF for notice in _notices):
        raise NotBegunError
    return work(batch)
