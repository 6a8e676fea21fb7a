"""Running one command while its processes are counted, and the files that they hold open.

They are looked at twenty times a second, which costs the command a little: what is only timed is run by `timed`.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import Run, finished, started

_INTERVAL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run took, the most processes at a time, and the most files that one of them held open."""

    run: Run
    process_count: int
    open_file_count: int


def watched(folder: Path, command: str) -> Seen:
    """Run a shell command in the folder and watch it.

    Raises:
        CommandFailedError: its exit code is not 0.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = started(folder, command, errors.fileno())
        watch = Watch(process.pid)
        watch.start()
        try:
            run = finished(process, command, start, errors.fileno())
        finally:
            watch.end()
    return Seen(run, watch.process_count, watch.open_file_count)


class Watch(threading.Thread):
    """Looks at a process group until it is told to end.

    Attributes:
        process_count, open_file_count: as in `Seen`, so far.
    """

    def __init__(self, group: int) -> None:
        super().__init__(daemon=True)
        self._group = group
        self._is_over = threading.Event()
        self.process_count = 0
        self.open_file_count = 0

    def run(self) -> None:
        while not self._is_over.wait(_INTERVAL_SECONDS):
            counts = [count for pid in _pids(self._group) if (count := _open_files(pid)) is not None]
            self.process_count = max(self.process_count, len(counts))
            self.open_file_count = max([self.open_file_count, *counts])

    def end(self) -> None:
        self._is_over.set()
        self.join()


def _pids(group: int) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            # The name of the program, which may hold anything, then: state, parent, group.
            name_part, _, rest = file.read().rpartition(")")
            is_shell = name_part.endswith("(sh")  # it only starts what is watched
            if int(rest.split()[2]) == group and not is_shell:
                found.append(int(name))
    return found


def _open_files(pid: int) -> int | None:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None  # it has just ended
