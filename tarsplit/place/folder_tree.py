"""Tree in a folder of this machine: it has another name, with `.part`, until all of it is on the disk.

Its files are not synced one by one, and a stop may leave any of them without its content: whoever goes on with it
reads what is there. One that is complete is renamed only if something in it is wrong.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import is_plain_folder
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.path import join, path_in
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.naming import PART
from qa2pack.tarsplit.place.place import StrayError, Upload


class FolderTree:
    """A tree of this machine; its methods as `Tree` has them.

    Args:
        parent: absolute path of the folder that it is in.
    """

    def __init__(self, parent: bytes, name: bytes) -> None:
        self._path = join(parent, name)
        self._is_finished = is_plain_folder(self._path)
        self._folder = b""

    def enter(self, folder: bytes) -> None:
        """Make a folder."""
        self._folder = folder
        outfile.make_folder_below(self._root, folder)

    def has(self, name: bytes, size: int, digest: bytes) -> bool:
        """Read a file and compare its digest."""
        return is_at(self._root, self._folder, name, size, digest)

    @contextmanager
    def upload(self, name: bytes, size: int, *, mode: int, mtime_ns: int | None) -> Iterator[Upload]:
        """Begin a file from its start."""
        self._reopen()
        with begun_file(self._root, self._folder, name, mode=mode, mtime_ns=mtime_ns) as upload:
            yield upload

    def remove(self, name: bytes) -> None:
        """Remove a file."""
        outfile.remove(join(path_in(self._root, self._folder), name))

    @property
    def where(self) -> bytes:
        """Path of the folder."""
        return self._root

    def names(self, folder: bytes) -> list[bytes]:
        """Return what is in a folder; nothing once the tree is complete."""
        return [] if self._is_finished else names_in(self._root, folder)

    def finish(self) -> None:
        """Sync all, and rename the tree."""
        if not self._is_finished:
            outfile.publish_tree(self._path)
            self._is_finished = True

    @property
    def _root(self) -> bytes:
        return self._path if self._is_finished else self._path + PART

    def _reopen(self) -> None:
        """Take the name of a complete tree away, in which something is to be written."""
        if self._is_finished:
            outfile.withdraw_tree(self._path)
            self._is_finished = False


def is_at(root: bytes, folder: bytes, name: bytes, size: int, digest: bytes) -> bool:
    """Return whether a file is in a folder below another one, and has this content."""
    try:
        with opened_beneath(root, folder) as dir_fd, opened_file(name, dir_fd=dir_fd) as fd:
            return os.fstat(fd).st_size == size and digest_of_fd(fd, size) == digest
    except (OSError, FileGrewOrShrankError):
        return False  # it is written again, which reports the error if it persists


def names_in(root: bytes, folder: bytes) -> list[bytes]:
    """Return what is in a folder below another one; nothing where that is not there.

    Raises:
        StrayError: neither a file nor a folder is in it, or in its place.
    """
    above, last = os.path.split(root)
    found = []
    try:
        with opened_beneath(above, path_in(last, folder)) as fd, os.scandir(fd) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                    raise StrayError(
                        join(path_in(root, folder), name), kind_in_words(entry.stat(follow_symlinks=False).st_mode)
                    )
                found.append(name)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise StrayError(path_in(root, folder)) from None
    return found


@contextmanager
def begun_file(root: bytes, folder: bytes, name: bytes, *, mode: int, mtime_ns: int | None) -> Iterator[Upload]:
    """Begin a file in a folder below another one, from its start."""
    with outfile.new_file_below(root, folder, name, mode) as fd:
        yield _Upload(fd, mtime_ns)


@dataclass(frozen=True, slots=True)
class _Upload:
    fd: int
    mtime_ns: int | None

    def write(self, data: bytes | memoryview) -> None:
        outfile.write_all(self.fd, data)

    def finish(self) -> str:
        if self.mtime_ns is not None:
            outfile.set_time(self.fd, self.mtime_ns)
        return ""

    def give_up(self) -> None:
        pass  # it is written again
