"""How many processes a command uses, and how it reports while they work."""

import os
import time
from collections import deque
from pathlib import Path

from qa2pack.manifest.progress import Silent
from qa2pack.pack.jobs.engines import Workers, job_count, started_engine


def test_no_more_than_four_processes_work_for_each_processor() -> None:
    processors = len(os.sched_getaffinity(0))
    assert [job_count(wanted) for wanted in (0, 1, 3, 100_000)] == [processors, 1, 3, 4 * processors]


class Noted(Silent):
    """Makes a file when it is called."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        assert (file_count, byte_count) == (0, 0)
        self._path.touch()


def is_there_before_the_end(path: Path) -> bool:
    """Work that lasts until the file is there, at most ten minutes."""
    end = time.monotonic() + 600
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    return path.exists()


def test_progress_is_called_while_no_batch_is_finished(tmp_path: Path) -> None:
    called = tmp_path / "called"
    with started_engine(Workers(jobs=2, progress=Noted(called))) as engine:
        assert list(engine.run(is_there_before_the_end, deque([called, called]))) == [True, True]
