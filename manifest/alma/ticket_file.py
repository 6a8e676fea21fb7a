"""Recognition of ticket files, whoever wrote them; opening one takes tarfile and zipfile, which load slowly.

Both read as much at once as the archive says: the name of a file, or the list of all of them, can be given as of any
size, and a file with great holes holds it. So they get a file that gives no more at once than a sound archive needs.
"""

import io
import os
import struct
import tarfile
import zipfile
from typing import IO, BinaryIO, cast

from qa2pack.manifest.alma.package import SIZE_FILE
from qa2pack.manifest.fs.control_file import opened_control

# The last three: of a header that is none, an encrypted entry or headers without end, and a size beyond all numbers.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError),
    *(struct.error, RuntimeError, OverflowError),
)
TAR_READ_BYTES = 1 << 20  # a name takes 4 kB, content is read in blocks
ZIP_READ_BYTES = 256 << 20  # the list of 1.3 million files: README, qa and scripts, 200 bytes each


def is_ticket_file(path: bytes) -> bool:
    """Return whether a regular file is a ticket file; False also where it cannot be read."""
    try:
        with opened_control(path) as file:
            if not os.fstat(file.fileno()).st_size:
                return True  # of a package of placeholders, made by another program; nothing is lost with it
            if path.endswith(b"zip"):
                with zipfile.ZipFile(reading_at_most(ZIP_READ_BYTES, file)) as archive:
                    return os.fsdecode(SIZE_FILE) in archive.namelist()
            with tarfile.open(fileobj=reading_at_most(TAR_READ_BYTES, file), mode="r:") as archive:
                return os.fsdecode(SIZE_FILE) in archive.getnames()
    except (OSError, *DAMAGE):
        return False


class _Bounded(io.RawIOBase):
    """A file, already open, that gives no more than a bound at once."""

    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        self._file = file
        self._limit_bytes = limit_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read; an end that is nearer is as far as is asked for.

        Raises:
            ValueError: more is asked for than the bound.
        """
        if size is None or size < 0 or size > self._limit_bytes:
            place = self._file.tell()
            left = self._file.seek(0, os.SEEK_END) - place
            self._file.seek(place)
            if left > self._limit_bytes:
                raise ValueError("a part of it is greater than any can be")
        return self._file.read(-1 if size is None else size)


def reading_at_most(limit_bytes: int, file: IO[bytes]) -> BinaryIO:
    """Return the file as one that raises `ValueError` where more than so many bytes are asked for at once."""
    return cast("BinaryIO", _Bounded(file, limit_bytes))
