"""Full disk: which one it is after ENOSPC, and how much space is missing.

ENOSPC says neither. So the disks that a command writes to are checked: the disk of the package, of temporary files,
and of the path in the error, if it has one.
"""

import os
import tempfile
from collections.abc import Iterator

from qa2pack.executor.space import enough_bytes, folder_on_disk, free_bytes, free_inodes, used_bytes
from qa2pack.executor.transaction.paths import staging_path
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt

_LITTLE_BYTES = 1 << 20  # a disk with less counts as full: the rest are ends of blocks, and space freed by others


def shortage_of(error: OSError, attempt: Attempt) -> str:
    """Return a text with the full disk and the space that must be freed; empty if unknown."""
    full = {device: words for device, words in _full_disks(error, attempt)}
    own = _device(_place_of_package(attempt))
    missing = _missing(attempt) if not full or own in full else ""
    return " ".join((*filter(None, (missing,)), *full.values()))


def _full_disks(error: OSError, attempt: Attempt) -> Iterator[tuple[int, str]]:
    """Yield the device number of each full file system, and a text that names it."""
    named = os.fsencode(error.filename) if isinstance(error.filename, str | bytes) else b""
    folders = (os.path.dirname(named) if named.startswith(b"/") else b"", _place_of_package(attempt), _temporary())
    seen: set[int] = set()
    for folder in folders:
        device = _device(folder)
        if device is None or device in seen:
            continue
        seen.add(device)
        state = os.statvfs(folder)
        if not state.f_blocks:
            continue  # a file system that does not tell how big it is
        free_bytes_there = state.f_bavail * state.f_frsize
        has_inodes = free_inodes(folder) != 0
        if free_bytes_there < _LITTLE_BYTES or not has_inodes:
            what = human_bytes(free_bytes_there) if has_inodes else "0 inodes"
            yield device, f"The disk of {shown(folder)} is full: {what} are free."


def _place_of_package(attempt: Attempt) -> bytes:
    package = attempt.target.package
    try:
        return folder_on_disk(package)
    except OSError:  # the failure that is reported is another one
        return package.parent


def _temporary() -> bytes:
    try:
        return os.fsencode(tempfile.gettempdir())
    except OSError:  # there is no writable temporary folder
        return os.fsencode(os.environ.get("TMPDIR", "/tmp"))


def _device(folder: bytes) -> int | None:
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None


def _missing(attempt: Attempt) -> str:
    """Return a text with the space that must be freed on the package's disk; empty if unknown or not the cause.

    The sizes of staged files are read one by one, which takes a moment for very many.
    """
    package = attempt.target.package
    if attempt.verb not in ("apply", "package"):
        return ""
    try:
        plan = attempt.target.opened.plan(package.plan)
        enough = enough_bytes(package, plan.header, plan.notes, attempt.target.opened)
        free = free_bytes(package)
        missing = 0 if free is None else enough - used_bytes(staging_path(package)) - free
    except (OSError, StreamError):
        return ""
    return f"About {human_bytes(missing)} more are needed." if missing > 0 else ""
