"""Telling how far the chunks are while they are written by others.

A worker says nothing until its chunk is done, which can take minutes; the size of the growing files says it.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.progress import Progress
from qa2pack.tarsplit.naming import PART

_INTERVAL_SECONDS = 0.5


class Watch:
    """Looks at the files from time to time, in a thread."""

    def __init__(self, files: Sequence[tuple[bytes, int]], progress: Progress) -> None:
        self._files = files
        self._progress = progress
        self._lock = threading.Lock()
        self._reported_bytes = 0
        self._is_over = threading.Event()

    def count_files(self, count: int) -> None:
        """Count entries as done."""
        with self._lock:
            self._progress.advance(file_count=count)

    def look(self) -> None:
        """Tell what was written since the last look."""
        written = sum(_written_bytes(path, size) for path, size in self._files)
        with self._lock:
            if written > self._reported_bytes:
                self._progress.advance(byte_count=written - self._reported_bytes)
                self._reported_bytes = written

    def run(self) -> None:
        """Look until it is over."""
        while not self._is_over.wait(_INTERVAL_SECONDS):
            self.look()

    def end(self) -> None:
        """Let `run` return."""
        self._is_over.set()


@contextmanager
def watching(
    files: Sequence[tuple[bytes, int]], entry_count: int, engine: Engine, progress: Progress
) -> Iterator[Watch]:
    """Watch files, given with their final size, as they grow under their temporary names.

    Args:
        entry_count: entries that will be counted as done.
    """
    progress.phase("write chunks", file_count=entry_count, byte_count=sum(size for _, size in files))
    # Starts the engine's processes now: a process forked beside a running thread may inherit a lock held for ever.
    # An engine does a single batch in this process, so as many are needed here as there will be, or two.
    deque(engine.run(_nothing, deque(range(min(len(files), 2)))), maxlen=0)
    watch = Watch(files, progress)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
        watch.look()


def _written_bytes(path: bytes, size: int) -> int:
    try:
        return min(os.stat(path + PART).st_size, size)
    except FileNotFoundError:
        return size if os.path.exists(path) else 0


def _nothing(number: int) -> int:
    return number
