"""How far chunks are: what is told of growing files and when, and that no process is forked beside the thread."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit.file_progress import Watch, watching


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.advances: list[tuple[int, int]] = []
        self.is_told = threading.Event()

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.phases.append((name, file_count, byte_count))

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.advances.append((file_count, byte_count))
        self.is_told.set()


def grow(path: Path, size: int) -> None:
    """Let a chunk that is being written have so many bytes."""
    path.with_name(path.name + ".part").write_bytes(bytes(size))


def test_look_tells_what_was_written_since_the_last_one(tmp_path: Path) -> None:
    one, two, told = tmp_path / "1.tar", tmp_path / "2.tar", Told()
    watch = Watch([(bytes(one), 100), (bytes(two), 50)], told)
    watch.look()
    grow(one, 30)
    watch.look()
    watch.look()
    grow(one, 70)
    grow(two, 5)
    watch.look()
    assert told.advances == [(0, 30), (0, 45)]


def test_finished_file_counts_with_its_planned_size(tmp_path: Path) -> None:
    path, told = tmp_path / "1.tar", Told()
    watch = Watch([(bytes(path), 100)], told)
    path.write_bytes(bytes(7))
    watch.look()
    assert told.advances == [(0, 100)]


def test_no_more_is_told_than_was_planned(tmp_path: Path) -> None:
    path, told = tmp_path / "1.tar", Told()
    grow(path, 140)
    Watch([(bytes(path), 100)], told).look()
    assert told.advances == [(0, 100)]


def test_file_that_is_begun_again_is_told_only_when_it_has_passed_what_it_was(tmp_path: Path) -> None:
    path, told = tmp_path / "1.tar", Told()
    watch = Watch([(bytes(path), 100)], told)
    for size in (60, 10, 60, 80):
        grow(path, size)
        watch.look()
    assert told.advances == [(0, 60), (0, 20)]


def test_phase_has_the_totals_and_the_end_tells_the_rest(tmp_path: Path) -> None:
    path, told = tmp_path / "1.tar", Told()
    with watching([(bytes(path), 100), (bytes(tmp_path / "2.tar"), 50)], 12, InlineEngine(), told) as watch:
        watch.count_files(3)
        path.write_bytes(bytes(100))
    assert told.phases == [("write chunks", 12, 150)]
    assert [told.advances[0], (0, sum(size for _, size in told.advances))] == [(3, 0), (0, 100)]


def test_files_are_looked_at_while_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.tarsplit.file_progress._INTERVAL_SECONDS", 0.001)
    path, told = tmp_path / "1.tar", Told()
    grow(path, 30)
    with watching([(bytes(path), 100)], 1, InlineEngine(), told):
        assert told.is_told.wait(20)
        told.is_told.clear()
        grow(path, 70)
        assert told.is_told.wait(20)
        assert told.advances == [(0, 30), (0, 40)]


def test_thread_is_over_when_the_chunks_are(tmp_path: Path) -> None:
    before = threading.active_count()
    with (
        pytest.raises(OSError, match="disk"),
        watching([(bytes(tmp_path / "1.tar"), 1)], 1, InlineEngine(), Silent()),
    ):
        raise OSError("disk")
    assert threading.active_count() == before


@pytest.mark.parametrize(("chunk_count", "process_count"), [(1, 0), (2, 2), (5, 2)])
def test_processes_of_the_pool_are_there_before_the_thread(
    tmp_path: Path, chunk_count: int, process_count: int
) -> None:
    files = [(bytes(tmp_path / f"{number}.tar"), 10) for number in range(chunk_count)]
    before = len(multiprocessing.active_children())
    with PoolEngine(2) as engine, watching(files, 1, engine, Silent()):
        assert len(multiprocessing.active_children()) - before == process_count
