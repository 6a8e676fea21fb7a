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
from qa2pack.manifest.path import join, shown


class PrivateFolder:
    """A folder for copies; `close` removes it, and it is made when the first copy is."""

    def __init__(self) -> None:
        self._path = b""
        self._count = 0
        self._held = ExitStack()

    def copy_of(self, path: bytes) -> bytes:
        """Copy a regular file and return the path of the copy.

        Raises:
            ControlFileError: as `opened_control`, or it is larger than what is free where the copy would be.
            OSError: as `open` does, or the disk is full.
        """
        with opened_control(path) as file, open(self._new_path(), "xb") as copy:
            self._check_fits(path, os.fstat(file.fileno()).st_size)
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

    def _check_fits(self, path: bytes, byte_count: int) -> None:
        """Refuse a file that would fill the disk: one of holes alone is made in a moment, and may be of any size."""
        room = os.statvfs(self.path)
        free_bytes = room.f_bavail * room.f_frsize
        if room.f_blocks and byte_count > free_bytes:
            where = f"the {human_bytes(free_bytes)} that are free for a copy in {shown(os.path.dirname(self.path))}"
            raise ControlFileError(errno.EFBIG, f"a file of {human_bytes(byte_count)}, more than {where}", path)

    def _new_path(self) -> bytes:
        self._count += 1
        return join(self.path, b"%d" % self._count)


@contextmanager
def private_folder() -> Iterator[bytes]:
    """Yield the path of an empty folder that only this user may enter, a temporary one; removed at the end."""
    with closing(PrivateFolder()) as folder:
        yield folder.path
