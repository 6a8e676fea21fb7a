"""The pool of processes, with real processes and real kills."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.engine import process_pool
from qa2pack.executor.engine.errors import WorkersDiedError
from qa2pack.executor.engine.futures import FuturesEngine
from qa2pack.executor.engine.local import PoolEngine
from qa2pack.executor.engine.process_pool import ProcessPool
from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.manifest.engine import run_streamed
from qa2pack.manifest.fs.meter import STEP_BYTES, current_meter
from support.tools import needs_workers

pytestmark = needs_workers
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Deadly:
    """A batch that kills its worker as often as there are names left in the folder."""

    folder: Path
    number: int


def square(number: int) -> int:
    return number * number


def process_of(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def die_first(batch: Deadly) -> int:
    if batch.number == 5:
        names = sorted(batch.folder.iterdir())
        if names:
            names[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return batch.number


def test_every_batch_is_run_once_on_other_processes() -> None:
    with PoolEngine(2) as engine:
        assert sorted(engine.run(square, deque(range(100)))) == [n * n for n in range(100)]
        processes = set(engine.run(process_of, deque(range(20))))
    assert os.getpid() not in processes
    assert len(processes) == 2


@pytest.mark.parametrize(
    ("place", "error"),
    [("os.fork", BlockingIOError(errno.EAGAIN, "odd")), ("threading.Thread.start", RuntimeError("no new thread"))],
)
def test_work_is_done_here_where_no_more_processes_or_threads_may_be_started(
    monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    """As under `ulimit -u`: one worker has started, and waits for work that never comes."""
    real, calls = os.fork, []

    def start(*_: object) -> int:
        calls.append(place)
        if place == "os.fork" and len(calls) == 1:
            return real()
        raise error

    with PoolEngine(2) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(place, start)
            assert set(engine.run(process_of, deque(range(3)))) == {os.getpid()}
        assert multiprocessing.active_children() == []
    assert calls


def test_work_is_done_here_where_a_thread_of_the_pool_may_not_start_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As under `ulimit -u`, with one thread too few: the one that feeds the workers is started by another."""
    real, refused = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if threading.current_thread() is not threading.main_thread():
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        real(thread)

    with PoolEngine(2) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            assert set(engine.run(process_of, deque(range(3)))) == {os.getpid()}
        assert multiprocessing.active_children() == []
    assert refused
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("deaths", [2, 99])
def test_workers_that_die_as_they_start_are_replaced_a_few_times(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deaths: int
) -> None:
    usual, pools = process_pool._become_worker, []
    started = process_pool.ProcessPool._started

    def start(pool: ProcessPool) -> Any:
        pools.append(pool._pool is None)
        return started(pool)

    def die(*arguments: Any) -> None:
        if sum(pools) <= deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        usual(*arguments)

    monkeypatch.setattr(process_pool.ProcessPool, "_started", start)
    monkeypatch.setattr(process_pool, "_become_worker", die)
    with PoolEngine(2) as engine:
        if deaths == 2:
            assert sorted(engine.run(square, deque(range(5)))) == [0, 1, 4, 9, 16]
        else:
            with pytest.raises(WorkersDiedError):
                list(engine.run(square, deque(range(5))))


def test_batches_that_are_added_on_the_way_are_run_too() -> None:
    queue = deque([1])
    results = []
    with PoolEngine(2) as engine:
        for result in engine.run(square, queue):
            results.append(result)
            if result < 1000:
                queue.append(result + 1)
    assert results == [1, 4, 25, 676, 458329]


def test_streamed_batches_are_made_only_as_they_are_needed() -> None:
    made = []

    def batches() -> object:
        for number in range(1000):
            made.append(number)
            yield number

    with PoolEngine(2) as engine:
        results = run_streamed(engine, square, batches())  # type: ignore[arg-type]
        next(results)
        assert len(made) < 20
        results.close()  # type: ignore[attr-defined]


def test_error_of_a_batch_is_raised_here() -> None:
    with PoolEngine(2) as engine, pytest.raises(ValueError, match="three"):
        list(engine.run(fail_at_three, deque(range(10))))


@pytest.mark.parametrize("deaths", [1, 2])
def test_batch_of_a_killed_worker_is_run_again(tmp_path: Path, deaths: int) -> None:
    for number in range(deaths):
        (tmp_path / str(number)).touch()
    with PoolEngine(2) as engine:
        assert sorted(engine.run(die_first, deque(Deadly(tmp_path, n) for n in range(30)))) == list(range(30))
    assert list(tmp_path.iterdir()) == []


class Forgetful(ProcessPool):
    """A pool whose first batch is handed over at the moment when the pool breaks: nobody ever ends it."""

    def __init__(self) -> None:
        super().__init__(2)
        self.is_first = True

    def submit(self, work: Callable[[Any], Any], batch: Any) -> Future[Any]:
        """Lose the first batch, and kill the workers; else as ever."""
        if not self.is_first:
            return super().submit(work, batch)
        self.is_first = False
        done = super().submit(process_of, 0)
        os.kill(done.result(), signal.SIGKILL)
        lost: Future[Any] = Future()
        self._pools[lost] = self._started()
        return lost


def test_batch_that_was_handed_over_while_the_pool_broke_is_run_again() -> None:
    with FuturesEngine(Forgetful()) as engine:
        assert list(engine.run(square, deque([3]))) == [9]


def test_batch_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).touch()
    with PoolEngine(2) as engine, pytest.raises(WorkersDiedError):
        list(engine.run(die_first, deque(Deadly(tmp_path, n) for n in range(30))))


def test_worker_that_is_killed_between_batches_is_replaced() -> None:
    with PoolEngine(2) as engine:
        for process in set(engine.run(process_of, deque(range(20)))):
            os.kill(process, signal.SIGKILL)
        assert sorted(engine.run(square, deque(range(10)))) == [n * n for n in range(10)]


def test_pool_is_closed_though_a_worker_is_killed_at_that_moment() -> None:
    """One idle worker holds the lock of the queue, for which the others wait: in some of these rounds that dies."""
    for _ in range(8):
        pool = ProcessPool(4)
        workers = sorted({future.result() for future in [pool.submit(process_of, 0) for _ in range(20)]})
        for worker in workers[1:]:
            os.kill(worker, signal.SIGKILL)
        _within_a_minute(pool.close)


def _within_a_minute(work: Callable[[], object]) -> None:
    """Do the work, which may hang, and fail if it does."""
    working = threading.Thread(target=work, daemon=True)
    working.start()
    working.join(60)
    is_hanging = working.is_alive()
    for left in multiprocessing.active_children():
        left.kill()
    assert not is_hanging


def die_while_sending(batch: Deadly) -> Any:
    """Return so much, the first time, that it does not fit into a pipe, and be killed before all of it is sent."""
    if batch.number != 5 or not (batch.folder / "0").exists():
        return batch.number
    (batch.folder / "0").unlink()
    threading.Thread(target=_kill_while_sending, args=(threading.get_ident(),)).start()
    return bytes(64 << 20)


def _kill_while_sending(sender: int) -> None:
    """Wait until the length of the result is sent."""
    while (frame := sys._current_frames()[sender]).f_code.co_name != "_send" or len(frame.f_locals["buf"]) < 1000:
        time.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_batch_of_a_worker_that_is_killed_while_it_sends_the_result_is_run_again(tmp_path: Path) -> None:
    (tmp_path / "0").touch()
    results: list[Any] = []

    def run() -> None:
        with PoolEngine(2) as engine:
            results.extend(engine.run(die_while_sending, deque(Deadly(tmp_path, n) for n in range(30))))

    _within_a_minute(run)
    assert sorted(results) == list(range(30))
    assert list(tmp_path.iterdir()) == []


def test_stop_finishes_what_is_under_way_and_starts_nothing_more() -> None:
    stop = Stop()
    queue = deque(range(100))
    results = []
    with PoolEngine(2, stop) as engine, pytest.raises(InterruptedByUser):
        for result in engine.run(square, queue):
            results.append(result)
            stop.is_requested = True
    assert len(results) + len(queue) == 100
    assert 0 < len(results) <= 5


@dataclass(frozen=True, slots=True)
class Slow:
    """A batch that says when it is begun, and ends when it may."""

    folder: Path
    number: int


def wait_for_release(batch: Slow) -> int:
    (batch.folder / f"begun.{batch.number}").touch()
    while not (batch.folder / "released").exists():
        time.sleep(0.01)
    return batch.number


class StoppedPool(ProcessPool):
    """Asks for a stop when both workers have begun a batch, and lets them end only when they were asked."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        super().__init__(2)
        self._folder = folder
        self._stop = stop

    def check_workers(self) -> None:
        """Ask for a stop, as a signal does."""
        self._stop.is_requested = len(list(self._folder.iterdir())) == 2

    def call_off(self) -> None:
        """Release the workers after that."""
        super().call_off()
        (self._folder / "released").touch()


def test_batches_that_were_handed_over_and_not_begun_are_not_done_after_a_stop(tmp_path: Path) -> None:
    stop = Stop()
    queue = deque(Slow(tmp_path, number) for number in range(20))
    results = []
    with FuturesEngine(StoppedPool(tmp_path, stop), stop) as engine, pytest.raises(InterruptedByUser):
        for result in engine.run(wait_for_release, queue):
            results.append(result)
    assert sorted(results) == [0, 1]
    assert sorted(batch.number for batch in queue) == list(range(2, 20))
    assert sorted(os.listdir(tmp_path)) == ["begun.0", "begun.1", "released"]


def test_engine_leaves_no_process_behind() -> None:
    with PoolEngine(2) as engine:
        processes = set(engine.run(process_of, deque(range(20))))
    assert [process for process in processes if _runs(process)] == []


def test_workers_die_with_the_process_that_started_them() -> None:
    program = """
import collections, os, time
from qa2pack.executor.engine.local import PoolEngine
def work(number):
    os.write(1, str(os.getpid()).encode() + bytes([10]))  # in one piece: two workers share the pipe
    time.sleep(60)
with PoolEngine(2) as engine:
    list(engine.run(work, collections.deque(range(2))))
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline = time.monotonic() + 600
    while any(_runs(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [worker for worker in workers if _runs(worker)] == []


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def read_on(batch: Slow) -> int:
    """Read for long, as far as the meter lets it; the first ones say that they have begun."""
    (batch.folder / str(batch.number)).touch()
    for _ in range(20_000):
        current_meter().add(STEP_BYTES)
        time.sleep(0.001)
    return batch.number


@pytest.mark.parametrize("jobs", [1, 2])
def test_bytes_of_running_batches_are_seen_and_a_stop_ends_these(tmp_path: Path, jobs: int) -> None:
    stop = Stop()
    seen: list[int] = []

    def watch(running_bytes: int) -> None:
        seen.append(running_bytes)
        stop.is_requested = len(set(seen)) > 2 and len(list(tmp_path.iterdir())) == jobs

    queue = deque(Slow(tmp_path, number) for number in range(5))
    with PoolEngine(jobs, stop, watch) as engine, pytest.raises(InterruptedByUser):
        list(engine.run(read_on, queue))
    assert sorted(batch.number for batch in queue) == list(range(5))
    assert seen == sorted(seen) and seen[-1] >= 2 * STEP_BYTES


def read_some(number: int) -> int:
    current_meter().add(number * STEP_BYTES)
    return number


def test_bytes_of_finished_batches_are_not_counted_as_running() -> None:
    pool = ProcessPool(2)
    try:
        for _ in range(20):  # more than there are counters
            assert pool.submit(read_some, 3).result() == 3
        deadline = time.monotonic() + 600  # a result is there a moment before its counter is free
        while pool.running_bytes() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert pool.running_bytes() == 0
    finally:
        pool.close()
