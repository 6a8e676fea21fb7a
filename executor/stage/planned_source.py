"""Planned source: the planned state of one source, and checks that the source is still in that state.

Size and mtime must be as planned. If inode and ctime are as planned too, the content counts as unchanged and is not
read again; else it is read and compared. Some file systems give other inode numbers at each mount.
"""

import errno
import os
import stat
from dataclasses import replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState, state_of, untouched_of
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.digest import digest_of_rest
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.problem import Value
from qa2pack.manifest.quantity import Digest

# Errors of a source that is another one now, or none.
_CHANGES = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR))


class SourceChangedError(Exception):
    """The source is not as planned.

    Attributes:
        expected, found: as of a problem.
    """

    def __init__(self, expected: Value, found: Value) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Planned:
    """One source file as planned; digest NO_DIGEST where it was not read."""

    state: FileState
    mode: int
    digest: bytes


def check_source(planned: Planned, status: os.stat_result) -> bool:
    """Compare a source with the plan; True if also inode and ctime are as planned, else its content must be compared.

    Raises:
        SourceChangedError: size or mtime differ, or it is not a regular file; or the inode differs, and there is no
            digest for comparing the content.
    """
    if not stat.S_ISREG(status.st_mode):
        raise SourceChangedError("a file", kind_in_words(status.st_mode))
    expected = planned.state
    if expected.untouched == untouched_of(status):  # as nearly all: the rest takes ten times as long
        return True
    found = state_of(status)
    if expected.written != found.written or (planned.digest == NO_DIGEST and expected.identity != found.identity):
        raise changed_source(planned, status)
    return False


def changed_source(planned: Planned, status: os.stat_result) -> SourceChangedError:
    """Return the error of a source that is in another state than planned."""
    # The device number says nothing here: it is another one after each mount.
    return SourceChangedError(replace(planned.state, device=status.st_dev), state_of(status))


def is_copied(record: FolderRecord, index: int, device: int) -> bool:
    """Return whether the plan copies the content of the file; `device` is the package's device number."""
    action = record.actions[index]
    return action in (Action.COPY, Action.KEEP) or (action == Action.MOVE and record.device != device)


def planned_source(record: FolderRecord, index: int) -> Planned:
    """Return the planned state of the source of the file at `index`."""
    return Planned(record.state(index), record.modes[index], record.digest(index))


def as_change(expected: str, error: OSError) -> Exception:
    """Return the exception for a source that cannot be opened: SourceChangedError, or the error of the disk itself.

    An error of the disk or the server, or a denied permission, does not mean that the source changed: reported as a
    change, it would ask the user for a new plan.
    """
    return SourceChangedError(expected, error.strerror or str(error)) if error.errno in _CHANGES else error


def denied_source(error: PermissionError, path: bytes) -> PermissionError:
    """Return the error with the path of the source, of which it has the name in an open folder."""
    return PermissionError(error.errno, error.strerror, path)


def seen_source(source: tuple[bytes, int], planned: Planned) -> tuple[os.stat_result, bool]:
    """Return the stat result of a source that is as planned, and whether inode and ctime are too.

    Raises:
        SourceChangedError: it is missing or not as planned.
    """
    name, dir_fd = source
    try:
        status = os.lstat(name, dir_fd=dir_fd)
    except OSError as error:
        raise as_change("the file", error) from error
    return status, check_source(planned, status)


def check_content(source: tuple[bytes, int], planned: Planned) -> None:
    """Read a source if inode or ctime differs: a new hard link or mount, or changed content with the mtime reset."""
    with opened_file(source[0], dir_fd=source[1]) as fd:
        digest = digest_of_rest(fd)
    if digest != planned.digest:
        raise SourceChangedError(Digest(planned.digest.hex(), "digest"), Digest(digest.hex(), "digest"))
