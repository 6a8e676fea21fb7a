"""How many processes a command uses, and how it reports while they work."""

import os
import time
from collections import deque
from pathlib import Path

import pytest

from qa2pack.manifest.progress import Silent
from qa2pack.pack.jobs.engines import Workers, job_count, started_engine, waiting_count


def test_no_more_than_32_processes_work_or_four_for_each_processor() -> None:
    processors = len(os.sched_getaffinity(0))
    assert [job_count(wanted) for wanted in (0, 1, 3, 100_000)] == [processors, 1, 3, max(32, 4 * processors)]


def test_32_processes_wait_for_a_file_system_that_answers_late_unless_a_number_or_a_rate_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    asked = [Workers(), Workers(jobs=3), Workers(bandwidth=1000)]
    monkeypatch.setattr(
        "qa2pack.manifest.fs.latency.os.major", lambda _: 0
    )  # as of a file system without a disk here
    monkeypatch.setattr("qa2pack.manifest.fs.latency.LATE_SECONDS", 0.0)
    assert [waiting_count(workers, [os.fsencode(tmp_path)]) for workers in asked] == [32, 0, 0]
    monkeypatch.setattr("qa2pack.manifest.fs.latency.LATE_SECONDS", 1e9)
    assert waiting_count(Workers(), [os.fsencode(tmp_path)]) == 0


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
