"""Copy of one file, known by its content, into a folder in which it is called by its digest.

Until it is known to be right its name ends in `.unchecked`. What an earlier run has copied is taken as it is, if it
has its content.
"""

import hashlib
import os
from collections.abc import Collection, Iterable
from typing import Protocol

import xxhash

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digests_of_fd
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.table_lock import LOCK_BYTES, LOCK_NAME, row_count_of, rows_of_digest
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.container.reader import EndedError
from qa2pack.tarsplit.output_files import make_folder, new_part, publish_part, remove, rename, set_time, write_all

_UNCHECKED = b".unchecked"
_READ_BYTES = 1 << 20
Content = tuple[int, bytes]  # size in bytes, and digest
Wanted = dict[Content, bytes]  # with the sha256 that it must have, too; empty where that is not known


class OtherContentError(Exception):
    """What is in the place of a file is not its content."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a file is in a place.

    Attributes:
        path: its own, or that of the container that it is in; relative to the place.
        mtime_ns: that its copy gets, ns since the epoch.
        offset: of its content in `path`, in bytes.
        listed: its path in the list of a tree, relative to the package; empty where there is none.
        is_lock: it is a `table.lock`, of which a delivery does not tell the number of rows.
    """

    path: bytes
    content: Content
    mtime_ns: int
    offset: int = 0
    listed: bytes = b""
    is_lock: bool = False


class _Readable(Protocol):
    def seek(self, offset: int) -> int: ...

    def read(self, size: int) -> bytes: ...


def target_of(folder: bytes, content: Content) -> bytes:
    """Return the path of the copy; that of a `table.lock` is called so, too: what is staged goes by the name."""
    name = content[1].hex().encode()
    return join(folder, name if rows_of_digest(content[1]) is None else join(name, LOCK_NAME))


def is_copied(folder: bytes, content: Content, sha256: bytes) -> bool:
    """Return whether the copy is there; the sha256 is empty where it is not known."""
    size, digest = content
    try:
        with opened_file(target_of(folder, content)) as fd:
            found = digests_of_fd(fd, size)
    except (OSError, FileGrewOrShrankError):
        return False
    return found[0] == digest and sha256 in (b"", found[1])


def copy_content(file: _Readable, found: Located, expected: bytes, folder: bytes, sums: Sums | None = None) -> None:
    """Write the copy, which does not have its name yet: see `keep_copies`. Of a `table.lock` the rows are compared.

    Args:
        expected: the sha256 that it must have; empty if that is not known.
        sums: what the content is added to.

    Raises:
        OtherContentError: it has another content.
        EndedError: it is shorter.
        OSError: the folder cannot be written.
    """
    size, digest = found.content
    state, sha256, lock = xxhash.xxh3_128(), hashlib.sha256(), b""
    rows = rows_of_digest(digest)
    target = target_of(folder, found.content) + _UNCHECKED
    make_folder(os.path.dirname(target))
    file.seek(found.offset)
    with new_part(target) as fd:
        while size:
            block = file.read(min(size, _READ_BYTES))
            if not block:
                raise EndedError
            write_all(fd, block)
            state.update(block)
            if rows is not None and len(lock) < LOCK_BYTES:
                lock += block
            if expected:
                sha256.update(block)
            if sums:
                sums.update(block)
            size -= len(block)
        is_right = digest == state.digest() if rows is None else row_count_of(lock) == rows
        if not is_right or expected not in (b"", sha256.digest()):
            raise OtherContentError
        set_time(fd, found.mtime_ns)
        publish_part(fd, target)


def keep_copies(folder: bytes, written: Iterable[Content], right: Collection[Content]) -> Collection[Content]:
    """Give what was written its name if it is right, and remove the rest; return what is right."""
    for content in written:
        target = target_of(folder, content)
        if content in right:
            rename(target + _UNCHECKED, target)
        else:
            remove(target + _UNCHECKED)
    return right
