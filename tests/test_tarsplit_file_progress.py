"""The thread that tells how far chunks are never runs while processes are still to be forked."""

import multiprocessing
from pathlib import Path

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit.file_progress import watching


@pytest.mark.parametrize(("chunk_count", "process_count"), [(1, 0), (2, 2), (5, 2)])
def test_processes_of_the_pool_are_there_before_the_thread(
    tmp_path: Path, chunk_count: int, process_count: int
) -> None:
    files = [(bytes(tmp_path / f"{number}.tar"), 10) for number in range(chunk_count)]
    before = len(multiprocessing.active_children())
    with PoolEngine(2) as engine, watching(files, 1, engine, Silent()):
        assert len(multiprocessing.active_children()) - before == process_count
