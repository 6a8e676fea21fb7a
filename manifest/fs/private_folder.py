"""Private folder: copies of files that nobody else can change while they are checked and read.

What is read from a shared folder twice may be two different files. A copy in a folder that only this user may enter
can be read again. It is a scratch folder: what a killed process leaves of it, the next one removes.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.fs.scratch import scratch_folder
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.path import join


class PrivateFolder:
    """A folder for copies; `close` removes it, and it is made when the first copy is."""

    def __init__(self) -> None:
        self._path = b""
        self._count = 0
        self._held = ExitStack()

    def copy_of(self, path: bytes) -> bytes:
        """Copy a regular file and return the path of the copy.

        Raises:
            ControlFileError: as `opened_control`, or it has holes: they are made in a moment, of any size, and a copy
                would fill the disk. What is signed has none.
            OSError: as `open` does, or the disk is full.
        """
        from qa2pack.manifest.fs.holes import hole_bytes  # all commands import this module, and few copy anything

        with opened_control(path) as file, open(self._new_path(), "xb") as copy:
            if holes := hole_bytes(path, os.fstat(file.fileno())):
                raise ControlFileError(errno.EFBIG, f"a file with holes of {human_bytes(holes)}", path)
            shutil.copyfileobj(file, copy)
            return os.fsencode(copy.name)

    @property
    def path(self) -> bytes:
        """The path of the folder."""
        if not self._path:
            self._path = bytes(self._held.enter_context(scratch_folder()))
        return self._path

    def file_of(self, data: bytes) -> bytes:
        """Write a file with this content and return its path."""
        return self.file_of_blocks([data])

    def file_of_blocks(self, blocks: Iterable[bytes]) -> bytes:
        """Write a file with this content, given in pieces, and return its path."""
        with open(self._new_path(), "xb") as file:
            file.writelines(blocks)
            return os.fsencode(file.name)

    def close(self) -> None:
        """Remove the folder and all copies."""
        self._held.close()
        self._path = b""

    def _new_path(self) -> bytes:
        self._count += 1
        return join(self.path, b"%d" % self._count)


@contextmanager
def private_folder() -> Iterator[bytes]:
    """Yield the path of an empty folder that only this user may enter, a temporary one; removed at the end."""
    with closing(PrivateFolder()) as folder:
        yield folder.path
