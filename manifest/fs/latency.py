"""Latency: tells a file system that answers late, as one behind a network does, from the disks of this machine.

Where each call waits a millisecond for a server, many workers that wait at the same time are faster than a few that
compute. Caches do not answer here: what is looked at was not looked at before, and its file is opened, too. A disk
of this machine is not measured: it is slow when it is read for the first time, and many readers make it slower.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from statistics import median

from qa2pack.manifest.fs.safe_open import FILE_FLAGS

LATE_SECONDS = 0.0003  # an SSD of this machine answers in a third of that, a server in the next room in twice of it
_LOOKS = 9


def answers_late(folder: bytes) -> bool:
    """Return whether opening a file or folder below this one usually takes at least `LATE_SECONDS`.

    At most `_LOOKS` are opened for it. False if there is nothing to open, or if a disk of this machine is behind it.
    """
    try:
        if os.major(os.stat(folder).st_dev):
            return False
        looks = list(islice(_looks(folder), _LOOKS))
    except OSError:
        return False  # whoever works on it reports that
    return bool(looks) and median(looks) >= LATE_SECONDS


def _looks(folder: bytes) -> Iterator[float]:
    """Open what is below the folder, the upper levels first, and yield the seconds that each took."""
    folders = deque([folder])
    while folders:
        with os.scandir(folders.popleft()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    continue
                start = time.perf_counter()
                fd = os.open(entry.path, FILE_FLAGS)
                yield time.perf_counter() - start
                os.close(fd)
