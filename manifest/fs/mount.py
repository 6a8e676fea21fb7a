"""Mount of a path: kind, source and options of the file system that it is on, as the kernel lists them. Read-only."""

import os
import re
from contextlib import suppress

from qa2pack.manifest.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        kind: as `ext4` or `nfs4`.
        source: the device, or the export of a server.
        options: of this mount, then those of the file system.
    """

    kind: str
    source: str
    options: str


def mount_of(path: bytes) -> Mount | None:
    """Return the mount of a path, or of the nearest folder above it that exists; None where the kernel shows none."""
    with suppress(OSError):
        fd = _opened(path)
        try:
            number = _field(f"/proc/self/fdinfo/{fd}", r"mnt_id:\s*(\d+)")
            with open("/proc/self/mountinfo", encoding="utf-8", errors="backslashreplace") as file:
                return next((_parsed(line) for line in file if line.split(maxsplit=1)[0] == number), None)
        finally:
            os.close(fd)
    return None


def _opened(path: bytes) -> int:
    while True:
        try:
            return os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            if path == os.path.dirname(path):
                raise
            path = os.path.dirname(path)


def _field(path: str, pattern: str) -> str:
    with open(path, encoding="ascii") as file:
        found = re.search(pattern, file.read())
    return found[1] if found else ""


def _parsed(line: str) -> Mount:
    """Return the mount of a line: see proc_pid_mountinfo(5). Blanks in its fields are octal escapes."""
    own, _, rest = line.partition(" - ")
    kind, source, options = rest.strip().split(" ")
    return Mount(kind, source, f"{own.split()[5]},{options}")
