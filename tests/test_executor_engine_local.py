"""Where worker processes cannot be had, the work is done all the same."""

import multiprocessing
import os
from collections import deque
from multiprocessing.context import ForkContext

import pytest

from qa2pack.executor.engine.local import PoolEngine, available_jobs


def _refused(*_: object) -> None:
    raise OSError(30, "Read-only file system")


def test_batches_are_done_in_this_process_where_no_semaphore_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that lets nobody write to /dev/shm."""
    for name in ("Lock", "BoundedSemaphore", "Semaphore"):
        monkeypatch.setattr(ForkContext, name, _refused)
    with pytest.raises(OSError):
        multiprocessing.get_context("fork").Lock()
    with PoolEngine(2) as engine:
        assert sorted(engine.run(abs, deque([-1, -2, -3]))) == [1, 2, 3]


def test_jobs_are_as_many_as_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_jobs() == 1
    finally:
        os.sched_setaffinity(0, before)
