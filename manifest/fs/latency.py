"""Latency: tells a file system that answers late, as one behind a network does, from the disks of this machine.

Where each call waits a millisecond for a server, many calls at the same time are faster than one after the other. A
file or folder is opened for it, because caches that answer other questions do not open. A disk of this machine is not
measured: it is slow when it is read for the first time, and many readers make it slower. Its device number shows it,
or the kind of its file system.
"""

import os
import resource
import stat
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from qa2pack.manifest.event import Level, log_event
from qa2pack.manifest.fs.mount import mount_of
from qa2pack.manifest.fs.safe_open import FILE_FLAGS

LATE_SECONDS = 0.00005  # a cache of this machine answers in a fifth of that, a server in a multiple
# Of this machine, although their device numbers have the major 0, as those of file systems behind a network.
_LOCAL_KINDS = frozenset({"bcachefs", "btrfs", "overlay", "ramfs", "tmpfs", "zfs"})
_LOOKS = 9
_CALLS = 32  # to a file system that answers late
_FILES_PER_CALL = 4  # open at the same time: a file and its copy, and the folder of each
_OTHER_FILES = 32  # of a process: pipes to the others, locks, logs, what it was started with


def useful_calls(paths: Iterable[bytes]) -> int:
    """Return how many calls of a process should be under way at once: many, if these folders or files answer late.

    No more than the limit of open files of a process (`ulimit -n`) allows.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _CALLS if limit == resource.RLIM_INFINITY else (limit - _OTHER_FILES) // _FILES_PER_CALL
    return min(_CALLS, max(1, allowed)) if any(map(answers_late, paths)) else 1


def answers_late(path: bytes) -> bool:
    """Return whether opening this file, or what is below this folder, usually takes at least `LATE_SECONDS`.

    `_LOOKS` are made at most. False if there is nothing to open, or on a disk of this machine.
    """
    try:
        status = os.stat(path)
        if _is_local(path, status.st_dev):
            return False
        looks = list(
            islice(_looks(path) if stat.S_ISDIR(status.st_mode) else (_look(path) for _ in range(_LOOKS)), _LOOKS)
        )
    except OSError:
        return False  # whoever works on it reports that
    if not looks:
        return False
    usual = sorted(looks)[len(looks) // 2]
    text = f"latency: {usual * 1000:.3f} ms to open a file, the median of {len(looks)}: {os.fsdecode(path)}"
    log_event(__name__, "latency", text, Level.DEBUG, path=os.fsdecode(path), seconds=usual, look_count=len(looks))
    return usual >= LATE_SECONDS


def _is_local(path: bytes, device: int) -> bool:
    """Return whether a disk, or the memory, of this machine is behind it; not where the kernel does not tell."""
    if os.major(device):
        return True
    mount = mount_of(path)
    return mount is not None and mount.kind in _LOCAL_KINDS


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
                yield _look(entry.path)


def _look(path: bytes) -> float:
    start = time.perf_counter()
    os.close(os.open(path, FILE_FLAGS))
    return time.perf_counter() - start
