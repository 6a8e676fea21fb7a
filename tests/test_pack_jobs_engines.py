"""How many processes a command uses, and how it reports while they work."""

import os
import time
from collections import deque
from pathlib import Path

import pytest

from qa2pack.manifest.fs.at_once import at_once
from qa2pack.manifest.progress import Silent
from qa2pack.pack.jobs.engines import Workers, call_count, job_count, started_engine


def test_no_more_than_four_processes_work_for_each_processor() -> None:
    processors = len(os.sched_getaffinity(0))
    assert [job_count(wanted) for wanted in (0, 1, 3, 100_000)] == [processors, 1, 3, 4 * processors]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let file systems be measured as if no disk of this machine were behind them, and all answer late."""
    monkeypatch.setattr("qa2pack.manifest.fs.latency.os.major", lambda _: 0)
    monkeypatch.setattr("qa2pack.manifest.fs.latency.mount_of", lambda _: None)
    monkeypatch.setattr("qa2pack.manifest.fs.latency.LATE_SECONDS", 0.0)
    return monkeypatch


def test_32_calls_are_under_way_where_a_file_system_answers_late_unless_a_number_or_a_rate_is_given(
    tmp_path: Path, measured: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    asked = [Workers(), Workers(jobs=3), Workers(bandwidth=1000)]
    for reads in (os.fsencode(tmp_path), os.fsencode(tmp_path / "a")):
        assert [call_count(workers, [b"/nowhere", reads]) for workers in asked] == [32, 1, 1]
    measured.setattr("qa2pack.manifest.fs.latency.LATE_SECONDS", 1e9)
    assert call_count(Workers(), [os.fsencode(tmp_path)]) == 1


def calls_of_a_worker(_: int) -> int:
    return at_once()


def test_workers_have_many_calls_under_way_where_a_file_system_answers_late(
    tmp_path: Path, measured: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").touch()
    with started_engine(Workers(), reads=[os.fsencode(tmp_path)]) as engine:
        assert set(engine.run(calls_of_a_worker, deque(range(20)))) == {32}
    with started_engine(Workers(), reads=[]) as engine:
        assert set(engine.run(calls_of_a_worker, deque(range(20)))) == {1}


def test_disk_of_this_machine_is_not_measured(tmp_path: Path, measured: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    measured.setattr("qa2pack.manifest.fs.latency.os.major", lambda _: 8)
    assert call_count(Workers(), [os.fsencode(tmp_path)]) == 1


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
