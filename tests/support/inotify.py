"""Seeing from outside who opens a file for writing: the kernel's inotify, through ctypes."""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_CREATE_OR_GONE = 0x40 | 0x80 | 0x100 | 0x200
_EVENT = struct.Struct("iIII")


@contextmanager
def writes_noted(paths: Iterable[Path]) -> Iterator[set[Path]]:
    """Yield a set that afterwards holds each of the paths that was opened for writing, written, or touched.

    Files are watched by inode: an opening through a link counts. In a folder, names that come and go count.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    noted: set[Path] = set()
    try:
        watches = {_watch(libc, fd, path): path for path in paths}
        yield noted
        noted.update(watches[watch] for watch in _events(fd))
    finally:
        os.close(fd)


def _watch(libc: ctypes.CDLL, fd: int, path: Path) -> int:
    mask = _CREATE_OR_GONE if path.is_dir() else _MODIFY | _ATTRIB | _CLOSE_WRITE
    watch: int = libc.inotify_add_watch(fd, os.fsencode(path), mask)
    if watch < 0:
        raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
    return watch


def _events(fd: int) -> Iterator[int]:
    while True:
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return
        while data:
            watch, _, _, name_length = _EVENT.unpack_from(data)
            data = data[_EVENT.size + name_length :]
            yield watch
