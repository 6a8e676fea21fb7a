"""Safe open: folders and files opened without following symlinks, relative to descriptors."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import itemgetter

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WAY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # needs only search permission
# O_NONBLOCK: a named pipe in place of a file would otherwise block for ever.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


@contextmanager
def opened_folder(path: bytes) -> Iterator[int]:
    """Open a folder of any depth that is not a symlink itself, and yield its descriptor.

    Raises:
        OSError: as `open` does; a symlink in place of the folder is ENOTDIR or ELOOP.
    """
    fd = _open_folder(path)
    try:
        yield fd
    finally:
        os.close(fd)


def _open_folder(path: bytes) -> int:
    try:
        return os.open(path, _FOLDER)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    # Longer than PATH_MAX: the kernel takes it only part by part, each relative to the one before.
    fd = os.open(b"/" if path.startswith(b"/") else b".", _FOLDER)
    for part in path.split(b"/"):
        if part:
            parent = fd
            try:
                fd = os.open(part, _FOLDER, dir_fd=parent)
            finally:
                os.close(parent)
    return fd


@contextmanager
def opened_beneath(root: bytes, path: bytes) -> Iterator[int]:
    """Open the folder `path` below `root` without following a symlink in any part, and yield its descriptor.

    Args:
        path: relative to `root`; an absolute one starts from `/`; the empty one is `root` itself.

    Raises:
        OSError: as `open` does; ENOENT where an inner part is a symlink or no folder, ENOTDIR where the last one is.
    """
    *way, last = path.split(b"/")
    fd = os.open(b"/" if path.startswith(b"/") else root, _WAY if path else _FOLDER)
    try:
        for part in filter(None, way):
            fd = _exchanged(fd, _opened_part(part, fd, path))
        if last:
            fd = _exchanged(fd, os.open(last, _FOLDER, dir_fd=fd))
        yield fd
    finally:
        os.close(fd)


def _opened_part(part: bytes, dir_fd: int, path: bytes) -> int:
    try:
        return os.open(part, _WAY, dir_fd=dir_fd)
    except (NotADirectoryError, FileNotFoundError) as error:
        raise FileNotFoundError(errno.ENOENT, "a part of the way is no folder", path) from error


def _exchanged(old: int, new: int) -> int:
    os.close(old)
    return new


class LastFolder:
    """Opens folders beneath a root, as `opened_beneath`; the last one stays open for the files in it."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._stack = ExitStack()
        self._folder: bytes | None = None
        self._fd = -1

    def fd_of(self, folder: bytes) -> int:
        """Return the descriptor of a folder; raises as `opened_beneath`, and then none is open."""
        if folder != self._folder:
            self.close()
            self._fd = self._stack.enter_context(opened_beneath(self._root, folder))
            self._folder = folder
        return self._fd

    def close(self) -> None:
        """Close the folder that is open."""
        self._folder = None
        self._stack.close()


class OpenFile:
    """An open descriptor that is closed when the `with` block ends; a generator would cost more than the open."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def opened_file(name: bytes, *, dir_fd: int | None = None) -> OpenFile:
    """Open a file for reading without following a symlink; use it in a `with`, which yields the descriptor.

    Raises:
        OSError: as `open` does; ELOOP where the last part is a symlink.
    """
    return OpenFile(os.open(name, FILE_FLAGS, dir_fd=dir_fd))


def listed(fd: int) -> "list[tuple[bytes, os.DirEntry[str]]]":
    """Return the entries of an open folder, sorted by name."""
    with os.scandir(fd) as listing:
        entries = list(listing)
    names = os.fsencode("\0".join([entry.name for entry in entries])).split(b"\0")  # one call for all names
    return sorted(zip(names, entries, strict=False), key=itemgetter(0))  # no entries: one empty name, no pair
