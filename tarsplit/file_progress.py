"""Progress of chunks that worker processes write, read from the sizes of the growing files.

A worker returns nothing until its chunk is complete, which can take minutes.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.fs.presence import is_there, status_of
from qa2pack.manifest.progress import Progress
from qa2pack.tarsplit.naming import PART

_INTERVAL_SECONDS = 0.5


class Watch:
    """Polls the file sizes in a thread."""

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
        """Report the bytes written since the last call."""
        written = sum(_written_bytes(path, size) for path, size in self._files)
        with self._lock:
            if written > self._reported_bytes:
                self._progress.advance(byte_count=written - self._reported_bytes)
                self._reported_bytes = written

    def run(self) -> None:
        """Poll until `end` is called."""
        while not self._is_over.wait(_INTERVAL_SECONDS):
            self.look()

    def end(self) -> None:
        """Make `run` return."""
        self._is_over.set()


@contextmanager
def watching(
    files: Sequence[tuple[bytes, int]], entry_count: int, engine: Engine, progress: Progress
) -> Iterator[Watch]:
    """Watch files grow under their temporary names.

    Args:
        files: path and final size in bytes of each.
        entry_count: number of entries that will be counted as done.
    """
    progress.phase("write chunks", file_count=entry_count, byte_count=sum(size for _, size in files))
    # Start the engine's processes before the thread: a process forked while a thread runs may inherit a held lock.
    # An engine runs a single batch in this process, so give it as many batches as there will be, at most two.
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
        part = status_of(path + PART)
        return size if part is None and is_there(path) else min(part.st_size, size) if part else 0
    except OSError:  # how far it is is not worth an end of the thread, and those who write it tell of the disk
        return 0


def _nothing(number: int) -> int:
    return number
