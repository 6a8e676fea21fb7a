"""Process pool: worker processes of this machine, because work on small files is limited by the GIL.

A worker that is killed breaks its pool; a new pool is made. A pool that is being closed, or waits for the rest of a
result, does not see that: then the other workers are ended too, which may wait for ever for a lock of the dead one.
What running batches have read, and a stop, go through memory that is shared with the workers:
`executor.engine.shared_counters`.
"""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from qa2pack.executor.engine.shared_counters import SharedCounters
from qa2pack.manifest.fs.meter import Meter, metered

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.05  # between looks whether a thread has failed, which happens where there is none to spare
_COUNTERS_PER_JOB = 4  # more than the engine submits at a time


class ProcessPool:
    """A pool of worker processes on this machine, started when it is first needed."""

    losses: tuple[type[Exception], ...] = (BrokenProcessPool, CancelledError)

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: Executor | None = None
        self._workers: tuple[BaseProcess, ...] = ()
        self._pools: WeakKeyDictionary[Future[Any], Executor] = WeakKeyDictionary()  # by submitted batch
        self._ping: Future[None] | None = None
        self._counters = SharedCounters(_COUNTERS_PER_JOB * jobs)

    @property
    def jobs(self) -> int:
        """Number of worker processes."""
        return self._jobs

    def run_context(self) -> AbstractContextManager[None]:
        """Do nothing: cancelled batches end before the pool is closed, or with this process."""
        return nullcontext()

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Submit a batch to a process."""
        counter = self._counters.take()
        try:
            future = self._started().submit(_do, work, batch, counter)
        except BrokenProcessPool:
            self.close()
            future = self._submitted_again(work, batch, counter)
        future.add_done_callback(lambda _: self._counters.give_back(counter))
        self._pools[future] = self._started()
        return future

    def _submitted_again(self, work: Callable[[Batch], Result], batch: Batch, counter: int) -> Future[Result]:
        """Submit to the new pool; where its workers have died too, the batch counts as lost with them."""
        try:
            return self._started().submit(_do, work, batch, counter)
        except BrokenProcessPool as error:
            lost: Future[Result] = Future()
            lost.set_exception(error)
            return lost

    def running_bytes(self) -> int:
        """Return how many bytes the running batches have read so far."""
        return self._counters.total

    def call_off(self) -> None:
        """Let the workers begin no more batches, and end within big files, for the rest of their lives."""
        self._counters.call_off()

    def check_workers(self) -> None:
        """Check whether the pool is broken: it never ends a batch that was submitted at the moment when it broke.

        Nor does it see that a worker was killed while it sent a result: it waits for the rest.
        """
        if _is_any_killed(self._workers):
            self.close()
        if self._pool is not None and (self._ping is None or self._ping.done()):
            try:
                self._ping = self._pool.submit(_nothing)
            except BrokenProcessPool:
                self.close()

    def is_given_up(self, future: Future[Any]) -> bool:
        """Return whether the batch was submitted to a pool that is closed."""
        return self._pools.get(future) is not self._pool

    def replace_lost(self) -> None:
        """Close the broken pool; the next batch starts a new one."""
        self.close()

    def close(self) -> None:
        """End the processes when their running batches are finished, or at once if one of them was killed."""
        if self._pool is not None:
            _shut_down(self._pool, self._workers)
            self._pool, self._workers = None, ()

    def _started(self) -> Executor:
        if self._pool is None:
            others = set(multiprocessing.active_children())
            try:
                # fork: it starts in a tenth of the time of spawn.
                self._pool = ProcessPoolExecutor(
                    self._jobs,
                    mp_context=multiprocessing.get_context("fork"),
                    initializer=_become_worker,
                    initargs=(os.getpid(), self._counters),
                )
                _await_start(self._pool)
                self._workers = tuple(self._pool._processes.values())
                # Only workers write results: with the last of them the pipe ends, and so does who reads half of one.
                self._pool._result_queue._writer.close()  # type: ignore[attr-defined]
            except (OSError, RuntimeError):  # no semaphores (/dev/shm), no more processes or threads (ulimit -u)
                _end(set(multiprocessing.active_children()) - others)
                self._pool = _InThisProcess()
        return self._pool


def _await_start(pool: Executor) -> None:
    """Start all workers, and the threads that look after them, and wait for the first answer.

    One of these threads is started by the other. Where that fails, nobody else would ever know, and no batch end.

    Raises:
        RuntimeError: a thread could not be started.
    """
    faults: list[BaseException | None] = []
    usual, others = threading.excepthook, threading.enumerate()

    def note(fault: threading.ExceptHookArgs) -> None:
        usual(fault) if fault.thread in others else faults.append(fault.exc_value)

    threading.excepthook = note
    try:
        with suppress(BrokenProcessPool):  # which is found again by what is submitted next
            first = pool.submit(_nothing)
            while not (faults or first in wait([first], _LOOK_SECONDS).done):
                pass
            if not faults and (broken := first.exception()) and broken.__cause__:  # so from Python 3.12 on
                faults.append(broken)
    finally:
        threading.excepthook = usual
    if faults:
        raise RuntimeError("a thread of the pool ended") from faults[0]


def _shut_down(pool: Executor, workers: Collection[BaseProcess]) -> None:
    """Shut a pool down; end its workers if one of them was killed, which it does not look for any more."""
    closing = threading.Thread(target=partial(pool.shutdown, cancel_futures=True), daemon=True)
    try:
        closing.start()
    except RuntimeError:  # no more threads
        pool.shutdown(cancel_futures=True)
        return
    while closing.is_alive():
        closing.join(_LOOK_SECONDS)
        if _is_any_killed(workers):
            _end(workers)


def _is_any_killed(workers: Iterable[BaseProcess]) -> bool:
    return any(worker.exitcode for worker in workers)


def _end(workers: Iterable[BaseProcess]) -> None:
    """End workers at once: this process would wait for them at its end."""
    for worker in workers:
        worker.kill()
        worker.join()


class _InThisProcess(Executor):
    """Executor without workers: runs each batch at once; not in threads, which would share the read buffer."""

    def submit(self, work: Callable[..., Result], /, *arguments: Any, **named: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def _become_worker(parent: int, counters: SharedCounters) -> None:
    """Initialise a worker: it dies with the parent, and ignores Ctrl-C, which the terminal sends to all processes."""
    _shared.append(counters)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before prctl
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


_shared: list[SharedCounters] = []  # of this process, if it is a worker


def _nothing() -> None:
    pass


def _do(work: Callable[[Batch], Result], batch: Batch, counter: int) -> Result:
    if not _shared:
        return work(batch)
    meter = Meter(partial(_shared[-1].add, counter))
    meter.look()  # raises if all is called off
    with metered(meter):
        return work(batch)
